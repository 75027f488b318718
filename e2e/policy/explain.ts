import type { Probe } from "#core/policy/cases/probes.ts";
import { appctl } from "#lib/ovsdb/index.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { run } from "../../src/lab/command.ts";
import { labPaths } from "../../src/lab/paths.ts";
import type { Slot } from "./pod-pool.ts";

/** Most lines of one kind: more is not read. */
const mostLines = 30;

/** What the switches of both nodes have about the first wrong row: policy flows, cached flows, tracked connections. Never throws. */
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
  const [from = "", to = ""] = addresses;
  const mentions = (line: string, ...wanted: string[]): boolean =>
    wanted.every((address) => new RegExp(`${address}(?![0-9a-f.:])`).test(line));
  const paths = labPaths(lab);
  const parts = ["node-1", "node-2"].map(async (node) => {
    const { ovs } = paths.node(node);
    const ask = (command: string): Promise<string> =>
      appctl({ runtime: systemRuntime({ level: "error" }), path: `${ovs}/ovs-vswitchd.ctl`, command }).catch(String);
    const flows = await run("ovs-ofctl", ["dump-flows", "--no-stats", "--names", `unix:${ovs}/br-int.mgmt`]).catch(String);
    const some = (title: string, text: string, wanted: (line: string) => boolean): string =>
      `\n${node}, ${title}:\n${text.split("\n").filter(wanted).slice(0, mostLines).join("\n")}`;
    return [
      some(
        `policy flows about ${from} and ${to}`,
        flows,
        (line) => /table=\w*(Members|Prefixes)/.test(line) && (mentions(line, from) || mentions(line, to)),
      ),
      some(
        "policy rules",
        flows,
        (line) => /table=\w*(SecurityClassifier|Rule),/.test(line) && !/resubmit\(,(L3Forwarding|ConntrackCommit)\)/.test(line),
      ),
      some("cached flows", await ask("dpctl/dump-flows"), (line) => mentions(line, to)),
      some("connections", await ask("dpctl/dump-conntrack"), (line) => mentions(line, from, to)),
    ].join("");
  });
  return (await Promise.all(parts)).join("");
}
