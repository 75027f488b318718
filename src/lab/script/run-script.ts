import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { projectFolder } from "../programs.ts";
import { execute, type Outcome } from "./execute.ts";
import { renamed, type ScriptPlace } from "./place.ts";
import { openPodSessions, type PodSessions } from "./pod-sessions.ts";
import type { Lab } from "../lab.ts";
import type { Script, Step } from "./script.ts";
import { troubleAt } from "./trouble.ts";

/** How long a `*` step may take to hold: only what is broken takes it, however busy the machine is. */
const retryLimitMs = 120_000;
/** Seconds for an answer of a probe that is asked once: one that must come may be late, for one that must not come a second does. */
const probeSeconds = { open: 10, closed: 1 } as const;
/** Between two tries, or as long as a try took: asking must not keep what is asked from its work. */
const retryPauseMs = 100;

const antctl = join(projectFolder, "bin", "antctl");

/** Runs a script; `files` is a folder of files that several scripts use. Throws at the first step that does not hold, with what was seen. */
export async function runScript({
  script,
  place,
  files,
}: {
  readonly script: Script;
  readonly place: ScriptPlace;
  readonly files?: string;
}): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "antrea-script-"));
  const sessions = openPodSessions({ kubeconfig: place.kubeconfig });
  try {
    if (files !== undefined)
      for (const name of await readdir(files))
        await writeFile(join(folder, name), renamed(await readFile(join(files, name), "utf8"), place));
    for (const [name, content] of script.files) await writeFile(join(folder, name), renamed(content, place));
    let last: Outcome = { ok: true, stdout: "", stderr: "" };
    for (const step of script.steps)
      last = await runStep({
        step: { ...step, words: step.words.map((word) => renamed(word, place)) },
        script,
        place,
        sessions,
        folder,
        last,
      });
  } finally {
    sessions.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface StepContext {
  readonly step: Step;
  readonly script: Script;
  readonly place: ScriptPlace;
  readonly sessions: PodSessions;
  readonly folder: string;
  readonly last: Outcome;
}

async function runStep(context: StepContext): Promise<Outcome> {
  const { step } = context;
  const deadline = performance.now() + retryLimitMs;
  for (;;) {
    const began = performance.now();
    const outcome = await command(context);
    if (outcome.ok !== step.mustFail) return step.words[0] === "stdout" || step.words[0] === "stderr" ? context.last : outcome;
    if (!step.retry || performance.now() > deadline) {
      const how = step.mustFail ? "succeeded and must fail" : "failed";
      const trouble = (await troubleAt(context.place)).map((line) => `${line}\n`).join("");
      throw new Error(
        `line ${step.line}: ${step.text}: ${how}${step.retry ? ` for ${retryLimitMs / 1_000} s` : ""}\n${trouble}stdout: ${outcome.stdout.trim()}\nstderr: ${outcome.stderr.trim()}`,
      );
    }
    await wait(Math.max(retryPauseMs, performance.now() - began));
  }
}

async function command({ step, place, sessions, folder, last, script }: StepContext): Promise<Outcome> {
  const [verb = "", ...args] = step.words;
  const own = place.commands?.get(verb);
  if (own !== undefined) return own(args, folder);
  switch (verb) {
    case "apply":
      return kubectl(place, folder, ["apply", ...args.flatMap((file) => ["-f", file])]);
    case "kubectl":
      return kubectl(place, folder, args);
    case "sh":
      return run("sh", ["-c", ...args], place, folder);
    case "agnhost":
      return agnhost(place, sessions, folder, args);
    case "probe":
      return probe(place, sessions, folder, { args, seconds: step.retry || step.mustFail ? probeSeconds.closed : probeSeconds.open });
    case "mtu":
      return fullPackets(place, folder, args);
    case "seen":
      return seenAddress(place, folder, args);
    case "antctl":
      return antctlIn(place, folder, args);
    case "on":
      return run(antctl, ["lab", "exec", "--name", labOf(place).spec.name, ...args], place, folder);
    case "lab":
      return run(antctl, ["lab", ...args, "--name", labOf(place).spec.name], place, folder);
    case "kill":
    case "pause":
    case "resume":
      return signalNamed(labOf(place), args, signals[verb]);
    // `says TEXT COMMAND…`: the command prints just that, which `*` waits for.
    case "says": {
      const [text = "", ...words] = args;
      const outcome = await command({ step: { ...step, words }, place, sessions, folder, last, script });
      return { ...outcome, ok: outcome.ok && outcome.stdout.trim() === text };
    }
    // `sees TEXT COMMAND…`: the command prints that somewhere, whether it succeeds or fails.
    case "sees": {
      const [text = "", ...words] = args;
      const outcome = await command({ step: { ...step, words }, place, sessions, folder, last, script });
      return { ...outcome, ok: `${outcome.stdout}${outcome.stderr}`.includes(text) };
    }
    case "stdout":
    case "stderr": {
      const text = last[verb];
      const pattern = args.join(" ");
      const ok =
        pattern.startsWith("/") && pattern.endsWith("/") ? new RegExp(pattern.slice(1, -1), "m").test(text) : text.includes(pattern);
      return { ok, stdout: last.stdout, stderr: last.stderr };
    }
    case "cmp": {
      const wanted = script.files.get(args[1] ?? "") ?? "";
      const ok = last.stdout.trim() === wanted.trim();
      return { ok, stdout: last.stdout, stderr: ok ? "" : `wanted:\n${wanted}` };
    }
    default:
      throw new SyntaxError(`line ${step.line}: no command is called ${JSON.stringify(verb)}`);
  }
}

const kubectl = (place: ScriptPlace, folder: string, args: readonly string[]): Promise<Outcome> => run("kubectl", args, place, folder);

function labOf({ lab }: ScriptPlace): Lab {
  if (lab === undefined) throw new TypeError("this command needs a lab");
  return lab;
}

/** `antctl NODE …`, or `antctl controller …`: as in the agent's Pod on that node, or the controller's; `antctl outside …`: with a kubeconfig. */
async function antctlIn(place: ScriptPlace, folder: string, [where = "", ...args]: readonly string[]): Promise<Outcome> {
  if (where === "outside") return run(antctl, args, place, folder);
  if (place.lab !== undefined) return run(antctl, ["lab", "exec", "--name", place.lab.spec.name, where, antctl, ...args], place, folder);
  const [component, selector] =
    where === "controller" ? ["antrea-controller", []] : ["antrea-agent", ["--field-selector", `spec.nodeName=${where}`]];
  const found = await kubectl(place, folder, [
    ...["get", "pods", "-n", "kube-system", "-l", `app=antrea,component=${component}`, ...selector],
    ...["-o", "jsonpath={.items[0].metadata.name}"],
  ]);
  if (!found.ok) return found;
  return kubectl(place, folder, ["exec", "-n", "kube-system", found.stdout.trim(), "-c", component, "--", "antctl", ...args]);
}

/** Addresses of a pod, as the API tells them. */
async function addressesOf(place: ScriptPlace, folder: string, namespace: string, pod: string): Promise<readonly string[]> {
  const { stdout } = await kubectl(place, folder, ["get", "pod", "-n", namespace, pod, "-o", "jsonpath={.status.podIPs[*].ip}"]);
  return stdout
    .trim()
    .split(/\s+/)
    .filter((ip) => ip !== "");
}

/** Runs a command in the busybox container `box` of `ns/pod`. */
const inBox = (place: ScriptPlace, folder: string, from: string, words: readonly string[]): Promise<Outcome> => {
  const [namespace = "", pod = ""] = from.split("/");
  return kubectl(place, folder, ["exec", "-n", namespace, pod, "-c", "box", "--", ...words]);
};

/** `mtu ns/pod -> ns/pod`: one ping as large as the first pod's interface takes, to every address of the second. Linux sends them with DF. */
async function fullPackets(place: ScriptPlace, folder: string, args: readonly string[]): Promise<Outcome> {
  const [from = "", , to = ""] = args;
  const [namespace = "", pod = ""] = to.split("/");
  const mtu = Number((await inBox(place, folder, from, ["cat", "/sys/class/net/eth0/mtu"])).stdout);
  const addresses = await addressesOf(place, folder, namespace, pod);
  for (const address of addresses) {
    // Headers of IP and ICMP echo (RFC 791, 792; RFC 8200, 4443).
    const [program, headers] = address.includes(":") ? ["ping6", 48] : ["ping", 28];
    const pinged = await inBox(place, folder, from, [program, "-c", "1", "-W", "3", "-s", String(mtu - headers), address]);
    if (!pinged.ok) return { ...pinged, stderr: `${mtu} bytes to ${address}: ${pinged.stdout}${pinged.stderr}` };
  }
  return { ok: addresses.length > 0, stdout: `mtu=${mtu}\n`, stderr: "" };
}

/** `seen ns/pod -> ns/pod:port`: what address the server says that the client has, for each of the server's addresses. */
async function seenAddress(place: ScriptPlace, folder: string, args: readonly string[]): Promise<Outcome> {
  const [from = "", , to = ""] = args;
  const [, namespace = "", pod = "", port = ""] = /^([^/]+)\/([^:]+):(\d+)$/.exec(to) ?? [];
  let stdout = "";
  for (const address of await addressesOf(place, folder, namespace, pod)) {
    const ask = `printf 'GET /clientip HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${address} ${port} | tail -n 1`;
    stdout += `${(await inBox(place, folder, from, ["sh", "-c", ask])).stdout.trim()}\n`;
  }
  return { ok: stdout.trim() !== "", stdout, stderr: "" };
}

/** `agnhost ns/pod COMMAND…`: the test server's commands that ask, from that pod. On a lab one `kubectl exec` serves the whole script. */
async function agnhost(
  place: ScriptPlace,
  sessions: PodSessions,
  folder: string,
  [pod = "", ...args]: readonly string[],
): Promise<Outcome> {
  const [namespace = "", name = ""] = pod.split("/");
  // The image of other clusters may be the well-known one, which has no sessions.
  return place.lab === undefined
    ? kubectl(place, folder, ["exec", "-n", namespace, name, "--", "/agnhost", ...args])
    : sessions.run({ namespace, name }, args);
}

/** `probe ns/pod -> ns/pod:port[/udp]`: open means over every family the destination has, closed over none; anything between is an error. */
async function probe(
  place: ScriptPlace,
  sessions: PodSessions,
  folder: string,
  { args, seconds }: { readonly args: readonly string[]; readonly seconds: number },
): Promise<Outcome> {
  const [from = "", , to = ""] = args;
  const [, namespace = "", pod = "", port = "", udp] = /^([^/]+)\/([^:]+):(\d+)(\/udp)?$/.exec(to) ?? [];
  if (port === "" || args[1] !== "->") throw new SyntaxError(`probe: expected NS/POD -> NS/POD:PORT[/udp], got ${args.join(" ")}`);
  const targets = (await addressesOf(place, folder, namespace, pod)).map((ip) => `${ip.includes(":") ? `[${ip}]` : ip}:${port}`);
  if (targets.length === 0) return { ok: false, stdout: "", stderr: `${namespace}/${pod} has no address` };
  const protocol = udp === undefined ? [] : ["--protocol=udp"];
  const tried = await agnhost(place, sessions, folder, [from, "probe", `--timeout=${seconds}s`, ...protocol, ...targets]);
  const lines = tried.stdout.split("\n").filter((line) => line.trim() !== "");
  const open = lines.filter((line) => line.endsWith(" ok")).length;
  if (lines.length !== targets.length) return { ok: false, stdout: tried.stdout, stderr: `no verdict: ${tried.stderr}` };
  if (open !== 0 && open !== targets.length) return { ok: false, stdout: tried.stdout, stderr: "open over one family only" };
  return { ok: open > 0, stdout: tried.stdout, stderr: tried.stderr };
}

const signals = { kill: "SIGKILL", pause: "SIGSTOP", resume: "SIGCONT" } as const;

/** `kill PROCESS…`, `pause PROCESS…`, `resume PROCESS…`: all of them, or none when one is not running. */
async function signalNamed(lab: Lab, names: readonly string[], signal: NodeJS.Signals): Promise<Outcome> {
  const { processes } = lab.status();
  const found = names.map((name) => processes.find((process) => process.name === name)?.pid);
  const missing = names.find((_, index) => found[index] === undefined);
  if (names.length === 0 || missing !== undefined) return { ok: false, stdout: "", stderr: `${missing ?? "nothing"} is not running` };
  for (const pid of found) if (pid !== undefined) process.kill(pid, signal);
  return { ok: true, stdout: "", stderr: "" };
}

const run = (program: string, args: readonly string[], { kubeconfig }: ScriptPlace, folder: string): Promise<Outcome> =>
  execute(program, args, { cwd: folder, environment: { KUBECONFIG: kubeconfig, EDITOR: "false" } });
