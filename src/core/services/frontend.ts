import type { IpAddress } from "#lib/ip/index.ts";

export type ServiceProtocol = "TCP" | "UDP" | "SCTP";

/** One address and port under which a Service is reached, with those that may answer for it. */
export interface Frontend {
  /** `namespace/name:port name`. */
  readonly portName: string;
  readonly address: IpAddress;
  readonly protocol: ServiceProtocol;
  /** 1 … 65535. */
  readonly port: number;
  /** In order, each once, of the address's own family. */
  readonly endpoints: readonly Endpoint[];
  /** Seconds for which a client stays with its endpoint after its last new connection; absent = no affinity. */
  readonly affinitySeconds?: number;
  /** What a client gets when there is no endpoint: an answer at once, or nothing (internalTrafficPolicy Local with endpoints elsewhere only). */
  readonly whenEmpty: "reject" | "drop";
}

export interface Endpoint {
  readonly address: IpAddress;
  /** 1 … 65535. */
  readonly port: number;
}

/** What a frontend is told from all others by, whatever stands behind it. */
export const frontendKey = ({ address, protocol, port }: Pick<Frontend, "address" | "protocol" | "port">): string =>
  `${protocol} ${address.family === 6 ? `[${address}]` : address}:${port}`;

export const endpointKey = ({ address, port }: Endpoint): string => `${address.family === 6 ? `[${address}]` : address}:${port}`;
