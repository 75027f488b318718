import { bundleOf } from "./bundle-tests.ts";
import { doorSign } from "./door.ts";

/** Tests that belong together; each file runs in a process of its own. */
export interface Part {
  readonly name: string;
  readonly what: string;
  /** Default inside the machine. Beside it, at full speed, runs what needs its kernel only to forward, and reaches the switches there by the machine's door. */
  readonly where?: "beside";
  readonly files: readonly string[];
}

/** What runs on the kernel: tests that make their packets themselves and take the datapath that they are told. */
export const parts: readonly Part[] = [
  {
    name: "flows",
    what: "two nodes, one policy, one restart, without agents: as in npm test",
    where: "beside",
    files: ["src/agent/kernel-smoke.real.test.ts"],
  },
  { name: "smoke", what: "two nodes, one policy, one restart", files: ["src/agent/two-nodes.real.test.ts"] },
  {
    name: "modes",
    what: "every traffic mode and tunnel, both families and one alone, nodes that come and go",
    files: [
      "src/agent/modes.real.test.ts",
      "src/agent/one-family.real.test.ts",
      "src/agent/chained.real.test.ts",
      "src/agent/nodes.real.test.ts",
    ],
  },
  {
    name: "restarts",
    what: "agent, switch, database and all of a node end and come back; what others change comes back",
    files: [
      "src/agent/agent.test.ts",
      "src/agent/restart.real.test.ts",
      "src/agent/switch-crash.real.test.ts",
      "src/agent/node-crash.real.test.ts",
      "src/agent/drift.real.test.ts",
    ],
  },
  {
    name: "sctp",
    what: "SCTP sockets, and what the tracker knows of SCTP",
    files: ["src/agent/flows/packets.test.ts", "src/agent/ovs/sctp-tracking.real.test.ts"],
  },
  {
    name: "packets",
    what: "policies and Services on one switch",
    files: ["src/core/pipeline/policy/packets.test.ts", "src/agent/services/packets.test.ts"],
  },
  {
    name: "cases",
    what: "numbered policy cases, those over SCTP too",
    where: "beside",
    files: ["src/agent/policy-cases.real.test.ts"],
  },
];

export const isBeside = (file: string): boolean => parts.some(({ where, files }) => where === "beside" && files.includes(file));

/** How the smoke ends, and what its last line begins with, where it cannot run: what follows says why. As Automake has it. */
export const leftOutCode = 77;
export const leftOut = "left out: ";

const fileEnded = /^kernel-machine: (begun|\S+\.ts ended with \d+)$/;

/** Said of a file on the machine's terminal, and heard by the table. */
export const endedLine = (file: string, code: number | string): string => `kernel-machine: ${file} ended with ${code}`;
/** Said when all files inside have ended, and those beside it are waited for. */
export const openLine = "kernel-machine: open";
/** Who writes there switches the machine off. */
export const offSwitch = "/run/off";

/** Words for a shell: one file after the other, each told as it ends; fails when one of them does. With `waits`, goes on until {@link offSwitch} is used. */
export const shellWords = (files: readonly string[], flags: readonly string[], { waits = false } = {}): string =>
  [
    "failed=0",
    "echo kernel-machine: begun",
    ...files.flatMap((file) => [
      `node ${[...flags, "--test-reporter=spec", "--test-force-exit", bundleOf(file)].join(" ")}`,
      `code=$?; [ $code = 0 ] || failed=1; echo "${endedLine(file, "$code")}"`,
    ]),
    ...(waits
      ? [`while ! [ -e ${doorSign} ]; do sleep 0.1; done; mkfifo ${offSwitch}; echo "${openLine}"; read -r line <${offSwitch}`]
      : []),
    "exit $failed",
  ].join("; ");

/** What each file took, by the clock and of processor time. */
export interface TimeTable {
  /** Takes a line that the machine printed, with the seconds of processor time that it has used so far; whether it was for this table. */
  hear(line: string, processorSeconds: number): boolean;
  /** One line for each file, those that did not run too, and one for all together. */
  lines(): string[];
}

export function createTimeTable(files: readonly string[], now: () => number = () => performance.now() / 1_000): TimeTable {
  const begun = now();
  const ends: { readonly name: string; readonly ok: boolean; readonly clock: number; readonly processor: number }[] = [];
  const row = (word: string, name: string, clock: number, processor: number): string =>
    `${word.padEnd(8)}${name.padEnd(48)}${clock.toFixed(0).padStart(6)} s ${processor.toFixed(0).padStart(6)} s of processor time`;
  return {
    hear(line, processor) {
      const event = fileEnded.exec(line.trim())?.[1];
      if (event === undefined) return false;
      const [name = "", , , code] = event.split(" ");
      ends.push({
        name: name === "begun" ? "start of the machine" : name,
        ok: code === undefined || code === "0",
        clock: now() - begun,
        processor,
      });
      return true;
    },
    lines() {
      const last = ends.at(-1) ?? { clock: 0, processor: 0 };
      return [
        ...ends.map(({ name, ok, clock, processor }, index) => {
          const before = ends[index - 1] ?? { clock: 0, processor: 0 };
          return row(ok ? "passed" : "FAILED", name, clock - before.clock, processor - before.processor);
        }),
        ...files.filter((file) => !ends.some(({ name }) => name === file)).map((file) => `not run ${file}`),
        row("", "together", last.clock, last.processor),
      ];
    },
  };
}
