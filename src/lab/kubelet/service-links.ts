import { keyOf, type Service } from "#lib/kube/index.ts";
import type { ReadTable } from "#lib/table/table.ts";
import type { KubeletPod } from "./pod.ts";

/** How the API server itself is called among Services: every pod is told of it. */
const masterService = "default/kubernetes";

/**
 * What a container is told of Services by its environment (core/v1 PodSpec.enableServiceLinks): `WEB_SERVICE_HOST`, `WEB_SERVICE_PORT`, a port for
 * each port name, and the older `WEB_PORT_80_TCP…`. Those of the pod's namespace, unless it wants none, and always the API server's.
 */
export function serviceLinks(pod: KubeletPod, services: Pick<ReadTable<Service>, "get" | "rows">): ReadonlyMap<string, string> {
  const environment = new Map<string, string>();
  const { enableServiceLinks = true } = pod.spec;
  const own = enableServiceLinks ? [...services.rows()].filter(({ metadata }) => metadata.namespace === pod.metadata.namespace) : [];
  const master = services.get(masterService);
  // A Service `kubernetes` of the pod's own namespace does not hide the API server.
  for (const service of [
    ...own.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1)),
    ...(master === undefined ? [] : [master]),
  ])
    for (const [name, value] of linksOf(service)) environment.set(name, value);
  return environment;
}

function linksOf({ metadata, spec }: Service): readonly (readonly [string, string])[] {
  const host = spec?.clusterIP;
  const [first] = spec?.ports ?? [];
  if (host === undefined || host === "" || host === "None" || first === undefined) return [];
  const prefix = variableName(metadata.name ?? "");
  const url = (protocol: string, port: number): string => `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const named = (spec?.ports ?? []).flatMap(({ name, port }) =>
    name === undefined || name === "" ? [] : [[`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port)] as const],
  );
  const older = (spec?.ports ?? []).flatMap(({ port, protocol = "TCP" }) => {
    const base = `${prefix}_PORT_${port}_${protocol}`;
    const small = protocol.toLowerCase();
    return [
      [base, url(small, port)],
      [`${base}_PROTO`, small],
      [`${base}_PORT`, String(port)],
      [`${base}_ADDR`, host],
    ] as const;
  });
  return [
    [`${prefix}_SERVICE_HOST`, host],
    [`${prefix}_SERVICE_PORT`, String(first.port)],
    ...named,
    [`${prefix}_PORT`, url((first.protocol ?? "TCP").toLowerCase(), first.port)],
    ...older,
  ];
}

const variableName = (name: string): string => name.toUpperCase().replaceAll("-", "_");
