import type { DemoPod } from "./cluster.ts";
import { demoPods, demoPorts, expected, type Phase, podName } from "./cluster.ts";
import type { Kubectl } from "./kubectl.ts";

/** Every pod to every other, on each port, over both families. */
export interface Observation {
  readonly from: DemoPod;
  readonly to: DemoPod;
  readonly port: number;
  readonly family: "IPv4" | "IPv6";
  readonly open: boolean;
}

/** Addresses by pod name, one of each family. */
export type PodAddresses = ReadonlyMap<string, readonly { readonly family: "IPv4" | "IPv6"; readonly ip: string }[]>;

/** One `kubectl exec` per pod tries all the others at once, inside it. */
export async function observe(kubectl: Kubectl, addresses: PodAddresses): Promise<Observation[]> {
  const perPod = demoPods.map(async (from) => {
    const ways = demoPods
      .filter((to) => to !== from)
      .flatMap((to) =>
        demoPorts.flatMap((port) =>
          (addresses.get(podName(to)) ?? []).map(({ family, ip }) => ({
            from,
            to,
            port,
            family,
            target: `${ip.includes(":") ? `[${ip}]` : ip}:${port}`,
          })),
        ),
      );
    const output = await kubectl([
      "exec",
      "-n",
      from.namespace,
      from.app,
      "-c",
      `port-${demoPorts[0]}`,
      "--",
      "/agnhost",
      "probe",
      "--timeout=1s",
      ...ways.map(({ target }) => target),
    ]);
    const open = new Set(
      output
        .split("\n")
        .filter((line) => line.endsWith(" ok"))
        .map((line) => line.split(" ")[0]),
    );
    return ways.map(({ target, ...way }) => ({ ...way, open: open.has(target) }));
  });
  return (await Promise.all(perPod)).flat();
}

/** The matrix for people: a row per source, a column per destination; each cell has a sign per port and family. */
export function formatMatrix(phase: Phase, observations: readonly Observation[]): string {
  const sign = (observation: Observation): string => {
    const wanted = expected(phase, observation.from, observation.to, observation.port);
    if (observation.open === wanted) return wanted ? "+" : ".";
    return wanted ? "X" : "!";
  };
  const width = Math.max(...demoPods.map((pod) => podName(pod).length)) + 2;
  const cell = (from: DemoPod, to: DemoPod): string => {
    if (from === to) return "";
    const signs = demoPorts.map((port) =>
      observations
        .filter((observation) => observation.from === from && observation.to === to && observation.port === port)
        .map(sign)
        .join(""),
    );
    return signs.join(" ");
  };
  const header = `${"from \\ to".padEnd(width)}${demoPods.map((pod) => podName(pod).padEnd(width)).join("")}`;
  const rows = demoPods.map((from) => `${podName(from).padEnd(width)}${demoPods.map((to) => cell(from, to).padEnd(width)).join("")}`);
  return [header, ...rows].map((line) => `  ${line.trimEnd()}`).join("\n");
}

export const legend = `  each cell: port ${demoPorts.join(", then port ")}, each over IPv4 and IPv6; + open, . closed, as expected; X closed, ! open, against what was expected`;
