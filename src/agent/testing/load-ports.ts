/** Where the kinds of traffic of `steady-load.ts` go. */
export const loadPorts = {
  stream: 30_000,
  connections: { first: 20_000, count: 1_024 },
  /** TCP, at the pod. */
  echo: 82,
  /** TCP, at the Service and its endpoint. */
  service: 80,
} as const;
