import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { tryParseAddress } from "#lib/ip/index.ts";
import { minutes, parseDuration, seconds, systemClock } from "#lib/runtime/index.ts";
import { projectFolder } from "../../programs.ts";
import { execute, type Outcome } from "../../script/execute.ts";
import { literalTarget, type ScriptPlace } from "../../script/place.ts";
import { userHeader } from "../http.ts";
import { startCluster } from "../cluster.ts";
import { connectBySwitches } from "./connect.ts";
import { probeBySwitches } from "./probe.ts";

/** A simulation for the lab's scripts: commands are real programs, which reach its API over a socket of this machine's loopback. */
export interface SimulatedPlace {
  readonly place: ScriptPlace;
  close(): Promise<void>;
}

/** Simulated time passes so much faster than real time, where the processor can: what a script waits for comes soon, and its programs' own limits are as long as ever. */
const pace = 10;
/** One slice of simulated time; between two of them sockets have their turn. */
const slice = seconds(0.05);
/** A process that was killed comes back after this long. */
const restartDelay = seconds(1);

const failed = (stderr: string): Outcome => ({ ok: false, stdout: "", stderr });
const done: Outcome = { ok: true, stdout: "", stderr: "" };

/** Two nodes and two controllers, as the lab that runs the scripts has. */
export async function startSimulatedPlace({ seed = 1 }: { readonly seed?: number } = {}): Promise<SimulatedPlace> {
  const folder = mkdtempSync(join(tmpdir(), "antrea-simulated-"));
  const ports = new Map<string, { readonly port: number; isRunning(): boolean }>();
  const cluster = await startCluster({
    seed,
    nodes: 2,
    controllers: 2,
    duration: minutes(60),
    workloads: true,
    unobserved: true,
    // The lab's own, which scripts name: they stay.
    addressOf: (controller) => `172.30.0.${controller + 2}`,
    listening: ({ host, process, port }) => ports.set(host, { port, isRunning: () => process.state === "running" }),
  });
  let over = false;
  const run = (async (): Promise<void> => {
    for (let now = 0; !over; now += slice) {
      const before = systemClock.monotonic();
      await cluster.runUntil(now);
      await wait(Math.max(1, slice / pace - (systemClock.monotonic() - before)));
    }
  })();
  const server = createServer((request, response) => {
    const api = cluster.serverOf("kubernetes");
    // The first one who asks is the administrator; there are no others.
    request.headers[userHeader] = "admin";
    if (api === undefined || api.process.state === "dead") response.destroy();
    else api.process.enter(() => void api.answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, kubeconfigFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));

  const nodeOf = (name: string) => cluster.nodes.find((node) => node.name === name);
  const controllerOf = (name: string) => cluster.controlPlane.controllers.find((each) => each.name === name);
  const later = (restart: () => void): void => void cluster.clock.after(restartDelay, restart);
  /** `node-1/antrea-agent`, `antrea-controller-2`, `lab-api-server`. */
  const processOf = (name: string) => {
    const node = nodeOf(name.replace(/\/antrea-agent$/, ""));
    if (node !== undefined)
      return {
        pause: () => node.agent?.pause(),
        resume: () => node.agent?.resume(),
        kill() {
          node.killAgent();
          later(() => node.startAgent());
        },
      };
    const controller = controllerOf(name.replace(/^antrea-/, ""));
    if (controller !== undefined)
      return {
        pause: () => controller.process.pause(),
        resume: () => controller.process.resume(),
        kill() {
          controller.kill();
          later(() => controller.start());
        },
      };
    if (name !== "lab-api-server") return undefined;
    const { controlPlane } = cluster;
    return { pause: () => controlPlane.api.pause(), resume: () => controlPlane.api.resume(), kill: () => controlPlane.restartApi() };
  };
  const signal =
    (what: "kill" | "pause" | "resume") =>
    (names: readonly string[]): Promise<Outcome> => {
      const found = names.map(processOf);
      const missing = names.find((_, index) => found[index] === undefined);
      if (missing !== undefined) return Promise.resolve(failed(`${missing} is no process of the simulation`));
      for (const each of found) each?.[what]();
      return Promise.resolve(done);
    };
  let lastPort = 20_000;
  const sourcePort = (): number => ++lastPort;
  const probe = probeBySwitches({ cluster, sourcePort });
  const connect = connectBySwitches({ cluster, sourcePort });
  const antctl = join(projectFolder, "bin", "antctl");
  const place: ScriptPlace = {
    kubeconfig,
    nodeNames: new Map(),
    simulated: true,
    commands: new Map<string, (args: readonly string[], cwd: string) => Promise<Outcome>>([
      ["kill", signal("kill")],
      ["pause", signal("pause")],
      ["resume", signal("resume")],
      [
        "probe",
        ([from = "", , to = ""]) => {
          const [, target = "", port = "", udp] = /^([^:]+):(\d+)(\/udp)?$/.exec(to) ?? [];
          const [sender, receiver] = [cluster.history.pods.get(from), cluster.history.pods.get(target)];
          if (sender === undefined || receiver === undefined) return Promise.resolve(failed(`there is no pod ${sender ? target : from}`));
          const { asked, open } = probe(sender, receiver, Number(port), udp === undefined ? "tcp" : "udp");
          const stdout = `${open} of ${asked} addresses answer\n`;
          return Promise.resolve({ ok: open > 0 && open === asked, stdout, stderr: "" });
        },
      ],
      [
        "agnhost",
        async ([pod = "", verb, target = "", ...flags]) => {
          const [, four, six, port = ""] = literalTarget.exec(target) ?? [];
          const [from, destination] = [cluster.history.pods.get(pod), tryParseAddress(four ?? six ?? "")];
          if (verb !== "connect" || destination === undefined) return failed(`agnhost ${verb} ${target} needs containers`);
          if (from === undefined) return failed(`there is no pod ${pod}`);
          const flagOf = (flag: string): string | undefined => flags.find((each) => each.startsWith(`--${flag}=`))?.slice(flag.length + 3);
          const protocol = flagOf("protocol") === "udp" ? "udp" : "tcp";
          const timeout = parseDuration(flagOf("timeout") ?? "") ?? seconds(1);
          const reached = await connect({ from, destination, port: Number(port), protocol, timeout });
          return reached === "open" ? done : failed(`${reached}\n`);
        },
      ],
      [
        "lab",
        ([part, what, name = ""]) => {
          if (part !== "controller" || controllerOf(name) === undefined)
            return Promise.resolve(failed("the simulation has controllers alone"));
          if (what === "partition") cluster.network.isolate(name);
          else cluster.network.heal(name);
          return Promise.resolve(done);
        },
      ],
      [
        "antctl",
        async ([where = "", ...args], cwd) => {
          const environment = { KUBECONFIG: kubeconfig };
          if (where === "outside") return execute(antctl, args, { cwd, environment });
          const disk = nodeOf(where)?.disk ?? controllerOf(where)?.disk;
          const component = ports.get(where);
          if (disk === undefined || component === undefined || !component.isRunning()) return failed(`nobody answers at ${where}`);
          // Its own token, as in its Pod.
          const runDir = join(folder, where);
          const token = await disk.files.read("/var/run/antrea/apiserver/loopback-client-token").catch(() => undefined);
          if (token === undefined) return failed(`${where} has no token yet`);
          mkdirSync(join(runDir, "apiserver"), { recursive: true });
          writeFileSync(join(runDir, "apiserver", "loopback-client-token"), token);
          const POD_NAME = where.startsWith("controller") ? where.replace(/^/, "antrea-") : `antrea-agent-${where}`;
          const at = ["--server", `https://127.0.0.1:${component.port}`];
          return execute(antctl, [...args, ...at], { cwd, environment: { ...environment, POD_NAME, ANTREA_RUN_DIR: runDir } });
        },
      ],
    ]),
  };
  return {
    place,
    async close() {
      over = true;
      await run;
      server.closeAllConnections();
      server.close();
      cluster.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const kubeconfigFor = (server: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "simulated", cluster: { server } }],
    users: [{ name: "admin", user: {} }],
    contexts: [{ name: "simulated", context: { cluster: "simulated", user: "admin" } }],
    "current-context": "simulated",
  });
