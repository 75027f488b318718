// Runs one bench and prints its figures, each beside its goal. `main.ts` starts it.
import { cpus, totalmem } from "node:os";
import { formatTable } from "../src/antctl/format-table.ts";
import { errorMessage } from "../src/lib/runtime/errors.ts";
import { type Bench, formatGoal, meets } from "./bench.ts";

const benches: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  "agent-restart": () => import("./agent-restart.ts"),
  "flow-audit": () => import("./flow-audit.ts"),
  "flow-programming": () => import("./flow-programming.ts"),
  "switch-memory": () => import("./switch-memory.ts"),
  "node-churn": () => import("./node-churn.ts"),
  "pod-churn": () => import("./pod-churn.ts"),
  "lab-start": () => import("./lab-start.ts"),
  "cni-add": () => import("./cni-add.ts"),
  failover: () => import("./failover.ts"),
  "policy-latency": () => import("./policy-latency.ts"),
  "agent-idle": () => import("./agent-idle.ts"),
  "policy-compute": () => import("./policy-compute.ts"),
  "policy-events": () => import("./policy-events.ts"),
  "engine-growth": () => import("./engine-growth.ts"),
  "policy-hostile": () => import("./policy-hostile.ts"),
  "policy-compile": () => import("./policy-compile.ts"),
  "policy-snapshot": () => import("./policy-snapshot.ts"),
  "policy-flows": () => import("./policy-flows.ts"),
  "policy-cidrs": () => import("./policy-cidrs.ts"),
  "policy-members": () => import("./policy-members.ts"),
  priorities: () => import("./priorities.ts"),
  "policy-datapath": () => import("./policy-datapath.ts"),
  "apiserver-writes": () => import("./apiserver-writes.ts"),
  "apiserver-list": () => import("./apiserver-list.ts"),
  "apiserver-start": () => import("./apiserver-start.ts"),
  "apiserver-watch": () => import("./apiserver-watch.ts"),
  "apiserver-stuck": () => import("./apiserver-stuck.ts"),
  "apiserver-bodies": () => import("./apiserver-bodies.ts"),
  sim: () => import("./sim.ts"),
  "fan-out": () => import("./fan-out.ts"),
  reconnect: () => import("./reconnect.ts"),
  throughput: () => import("./throughput.ts"),
  modes: () => import("./modes.ts"),
  dns: () => import("./dns.ts"),
  audit: () => import("./audit.ts"),
  reject: () => import("./reject.ts"),
};

const usage = `usage: npm run bench -- NAME [--json]\nNAME is one of ${Object.keys(benches).join(", ")}\n`;

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  const json = words.includes("--json");
  const [name, ...more] = words.filter((word) => word !== "--json");
  const load = benches[name ?? ""];
  if (load === undefined || more.length > 0) {
    process.stderr.write(usage);
    return 2;
  }
  const { bench } = await load();
  const print = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  const figures = await bench.run({ print });
  const rows = Object.entries(figures).map(([figure, value]) => {
    const goal = bench.goals[figure];
    return [figure, value.toFixed(2), ...(goal === undefined ? ["", ""] : [formatGoal(goal), meets(goal, value) ? "met" : "missed"])];
  });
  print(formatTable(["FIGURE", "VALUE", "GOAL", "VERDICT"], rows).trimEnd());
  const machine = {
    cores: cpus().length,
    model: cpus()[0]?.model ?? "",
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  if (json) process.stdout.write(`${JSON.stringify({ bench: name, machine, figures })}\n`);
  return 0;
}

main()
  .then((code) => {
    process.exitCode = code;
  })
  .catch((error: unknown) => {
    process.stderr.write(`bench: ${errorMessage(error)}\n`);
    process.exitCode = 1;
  });
