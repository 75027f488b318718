import type { Probe } from "#core/policy/cases/probes.ts";
import { run } from "../../src/lab/command.ts";
import { labPaths } from "../../src/lab/paths.ts";
import type { Slot } from "./pod-pool.ts";

/** The flows of both nodes that name an address of the first wrong row's ends, for people. Never throws. */
export async function explain({
  lab,
  slot,
  probes,
}: {
  readonly lab: string;
  readonly slot: Slot;
  readonly probes: readonly Probe[];
}): Promise<string> {
  const [probe] = probes;
  if (probe === undefined) return "";
  const addresses = [probe.from, probe.to].map((end) => slot.place.address(end, probe.family)?.toString() ?? "no address");
  const paths = labPaths(lab);
  const parts = ["node-1", "node-2"].map(async (node) => {
    const { ovs } = paths.node(node);
    const flows = await run("ovs-ofctl", ["dump-flows", "--no-stats", "--names", `unix:${ovs}/br-int.mgmt`]).catch(String);
    const about = flows
      .split("\n")
      .filter((line) => addresses.some((address) => line.includes(address)) || /table=\S*(Rule|Classifier)/.test(line));
    return `\n${node}, flows about ${addresses.join(" and ")} and policy rules:\n${about.slice(0, 25).join("\n")}`;
  });
  return (await Promise.all(parts)).join("");
}
