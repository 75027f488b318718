// `npm run test:kernel -- [PART|FILE…]`: tests with real packets on the kernel's datapath, on Debian's kernel in an emulated machine.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { build } from "esbuild";
import { buildMovedLayout } from "../../src/agent/testing/moved-layout.ts";
import { buildCniExecutable } from "../../src/lab/cni-executable.ts";
import { errorMessage } from "../../src/lib/runtime/errors.ts";
import { freePort, runBeside, untilSilent } from "./beside.ts";
import { benchBundle, bundleBenches, bundleOf, bundleTests } from "./bundle-tests.ts";
import { kvmRunsStockKernels, runInMachine } from "./machine.ts";
import { createTimeTable, isBeside, leftOut, leftOutCode, openLine, parts, shellWords } from "./parts.ts";
import { requireEmulator, requireKernel, type StockKernel } from "./packages.ts";

/** What all parts may take on two processors that have nothing else to do. */
const wholeMinutes = 60;
/** After that the machine hangs: others may want the processors, too. The smoke takes half a minute on processors that do nothing else. */
const limitMinutes = { whole: 4 * wholeMinutes, smoke: 10 };
const usage = `usage: npm run test:kernel -- [--patience N] [--steady] [--cases all|NUMBER | PART|FILE…]
       npm run test:kernel -- --smoke
       npm run test:kernel -- --bench NAME
       npm run test:kernel -- --command WORDS
       npm run test:kernel -- --prepare

  PART          default all of them:
${parts.map(({ name, what }) => `                ${name.padEnd(10)}${what}`).join("\n")}
  FILE          a test file
  --cases NUMBER   the policy cases whose number begins so, such as A.4, with every
                probe, or all of them; without it of each section one case, every
                one over SCTP, and a few probes of each kind
  --patience N  how many times longer tests wait than on an ordinary machine;
                default 1 by KVM, else 12
  --steady      the clock of an emulated machine goes by what it computes: for one
                beside much other work; not for sctp, packets and cases
  --bench NAME  a bench on the kernel's datapath, such as modes; an emulated machine
                counts a nanosecond for each instruction
  --command WORDS  runs this in place of the tests, by a shell: to look around; each
                line begins with the seconds of processor time until then

  --smoke          the part flows as npm test runs it: at most ${limitMinutes.smoke} minutes, and left out where its
                   packages are not there and cannot be fetched
  --prepare        installs and downloads alone, and runs nothing

Installs Debian's qemu-system-x86 and downloads Debian's stock kernel once (70 MB, kept in ~/.cache/antrea-ts).
At the end it prints what each file took; all together are meant to take less than ${wholeMinutes} minutes.
Exit codes: 0 all passed; 1 otherwise; 2 a wrong flag; ${leftOutCode} the smoke was left out, and the last line says why.
`;
const run = promisify(execFile);
const all = parts.flatMap(({ files }) => files);
const filesOf = (word: string): readonly string[] | undefined => parts.find(({ name }) => name === word)?.files;
const root = fileURLToPath(new URL("../..", import.meta.url));
/** What switches alone use of the kernel: each module takes an emulated machine a tenth of a second. */
const switchModules = ["openvswitch", "vport_geneve", "veth", "nf_conntrack_netlink"];
/** What Open vSwitch, nftables, conntrack and the tests use of the kernel. */
const modules = [
  ...["openvswitch", "vport_geneve", "vport_vxlan", "vport_gre", "veth", "bridge", "dummy", "tun", "sctp"],
  ...["nf_tables", "nft_ct", "nft_chain_nat", "nft_masq", "nft_nat", "nft_limit", "nft_objref", "nft_reject_inet", "nft_fib_inet"],
  ...["nf_conntrack_netlink", "inet_diag", "tcp_diag", "udp_diag", "unix_diag", "af_packet_diag", "netlink_diag"],
];
/** What tests start beside the agent, of `src/agent/testing`. */
const testPrograms = ["fake-kubernetes.ts", "end-threads-on-signal.ts", "steady-load.ts", "answer-load.ts"];
const isEmulated = !kvmRunsStockKernels();
const say = (line: string): void => void process.stderr.write(`kernel: ${line}\n`);

/** Files whose tests are left out on other machines: there they only load, and are compiled. */
const isLeftOutHere = (file: string): boolean => /withoutKernel/.test(readFileSync(`${root}${file}`, "utf8"));

/** Files whose tests start an agent whose flows mean something else: to build it in there takes a minute. */
const startsAnotherLayout = (file: string): boolean => /movedLayout/.test(readFileSync(`${root}${file}`, "utf8"));

interface Asked {
  readonly files: readonly string[];
  readonly patience: number;
  readonly clock: "wall" | "instructions";
  /** Which policy cases are played with every probe. */
  readonly cases?: string;
  readonly command?: string;
  /** A bench in place of tests. */
  readonly bench?: string;
  readonly smoke: boolean;
  readonly prepareOnly: boolean;
}

function askedFor(args: readonly string[]): Asked | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        patience: { type: "string" },
        cases: { type: "string" },
        command: { type: "string" },
        bench: { type: "string" },
        steady: { type: "boolean" },
        smoke: { type: "boolean" },
        prepare: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
    const patience = Number(values.patience ?? (isEmulated ? 12 : 1));
    const { smoke = false, bench } = values;
    const asked = [...(smoke ? ["flows"] : []), ...positionals].flatMap((word) => filesOf(word) ?? [word]);
    const missing = asked.find((file) => !existsSync(`${root}/${file}`));
    if (values.help) return "";
    if (!(patience >= 1)) return `--patience ${values.patience}: must be a number from 1 up`;
    if (bench !== undefined && !(/^[a-z-]+$/.test(bench) && existsSync(`${root}bench/${bench}.ts`)))
      return `--bench ${bench}: there is no such bench; npm run bench tells their names`;
    if (missing !== undefined) return `${missing}: there is no such part, and no such file in ${root}`;
    return {
      files: values.cases !== undefined ? (filesOf("cases") ?? []) : asked.length > 0 ? asked : bench === undefined ? all : [],
      patience,
      clock: values.steady || bench !== undefined ? "instructions" : "wall",
      ...(values.cases === undefined ? {} : { cases: values.cases }),
      ...(values.command === undefined ? {} : { command: values.command }),
      ...(bench === undefined ? {} : { bench }),
      smoke,
      prepareOnly: values.prepare === true,
    };
  } catch (error) {
    return errorMessage(error);
  }
}

async function main(asked: Asked): Promise<number> {
  const { files, patience, clock, cases, bench, smoke, prepareOnly } = asked;
  const needed = await packages().catch((error: unknown) => {
    if (!smoke) throw error;
    return errorMessage(error);
  });
  if (typeof needed === "string") {
    say(`${leftOut}${needed}`);
    return leftOutCode;
  }
  if (prepareOnly) return 0;
  const { emulator, kernel } = needed;
  const [beside = [], inside = []] = [files.filter(isBeside), files.filter((file) => !isBeside(file))];
  // Compiled by this machine in a second, by an emulated one in ten: what has the same content and name there need not be compiled again.
  const compiled = { NODE_COMPILE_CACHE: `${root}.cache/compile` };
  const flags = isEmulated ? ["--jitless"] : [];
  if (bench !== undefined) await bundleBenches(root);
  const command = bench === undefined ? asked.command : ["node", ...flags, benchBundle, bench].join(" ");
  if (inside.length > 0 || command !== undefined) await buildWhatRunsThere({ inside, flags, compiled });
  say(`starting Debian's ${kernel.version}${isEmulated ? " in an emulated machine, some ten times slower than this one" : ""}`);
  const entrance = beside.length > 0 ? await freePort() : undefined;
  const environment = {
    ANTREA_TEST_DATAPATH: "system",
    ANTREA_TEST_PATIENCE: `${patience}`,
    ...(cases === undefined ? {} : { POLICY_CASES: cases }),
  };
  const variables = [
    `PATH=${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
    ...Object.entries({ ...environment, ...compiled }).map(([name, value]) => `${name}=${value}`),
    // An emulated machine has no time for more packets beside an agent's start, nor for more that it computes.
    ...(isEmulated ? ["RESTART_PODS=1", "RESTART_RATE=20", "RESTART_OBJECTS=20", `ANTREA_TEST_NODE_FLAGS=${flags.join(" ")}`] : []),
    // What it counts is the same each time.
    ...(isEmulated ? ["MODES_PAIRS=1"] : []),
    "NO_COLOR=1",
  ];
  const started = performance.now();
  let failed = false;
  const ended = new AbortController();
  const minutes = smoke ? limitMinutes.smoke : limitMinutes.whole;
  const limit = setTimeout(() => end(`it ran for ${minutes} minutes`), minutes * 60_000);
  const end = (why: string): void => {
    say(`the machine is switched off: ${why}`);
    failed = true;
    ended.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end(signal));
  let onTheOtherSide = Promise.resolve();
  const goBeside = async (port: number): Promise<void> => {
    const { signal } = ended;
    void untilSilent({ port, signal }).then(() => signal.aborted || end("its door does not answer"));
    if (!(await runBeside({ root, files: beside, environment, port, signal }))) failed = true;
  };
  const times = createTimeTable(files);
  const code = await runInMachine({
    emulator,
    kernel,
    directory: root,
    // What the kernel would load when it is first asked for, and looks for each time where there is none: a process of a third of a second, emulated, over a hundred times.
    command: [
      ...variables.map((variable) => `export ${variable}`),
      `modprobe -a ${(inside.length === 0 && command === undefined ? switchModules : modules).join(" ")}`,
      "echo > /proc/sys/kernel/modprobe",
      command ?? shellWords(inside, flags, { waits: beside.length > 0 }),
    ].join("; "),
    megabytes: inside.length === 0 && command === undefined ? 1_024 : 6_144,
    processors: 2,
    isEmulated,
    clock,
    ...(entrance === undefined ? {} : { entrance }),
    signal: ended.signal,
    onLine: (line, seconds) => {
      if (line.trim() === openLine && entrance !== undefined) onTheOtherSide = goBeside(entrance);
      else if (command !== undefined) process.stdout.write(`${seconds.toFixed(1)} ${line}\n`);
      else if (!times.hear(line, seconds)) process.stdout.write(`${line}\n`);
    },
  });
  clearTimeout(limit);
  // What still runs beside it has nobody to talk to.
  ended.abort();
  await onTheOtherSide;
  if (command === undefined) for (const line of times.lines()) say(line);
  say(
    `${code === 0 && !failed ? "passed" : code === undefined ? "the machine stopped by itself" : "failed"} after ${((performance.now() - started) / 1_000).toFixed(0)} s`,
  );
  return failed ? 1 : (code ?? 1);
}

async function packages(): Promise<{ readonly emulator: string; readonly kernel: StockKernel }> {
  if (process.arch !== "x64") throw new Error(`this is ${process.arch}, and the machine is made for x64`);
  return { emulator: await requireEmulator(say), kernel: await requireKernel(say) };
}

interface Building {
  readonly inside: readonly string[];
  readonly flags: readonly string[];
  readonly compiled: Readonly<Record<string, string>>;
}

async function buildWhatRunsThere({ inside, flags, compiled }: Building): Promise<void> {
  say("building what runs there");
  await run(process.execPath, ["tools/build.ts"], { cwd: root });
  await buildCniExecutable();
  await build({
    absWorkingDir: root,
    entryPoints: testPrograms.map((name) => `src/agent/testing/${name}`),
    outdir: "dist/testing",
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "warning",
  });
  await bundleTests(root, inside);
  const laterAgent = inside.some(startsAnotherLayout) ? [await buildMovedLayout()] : [];
  for (const words of [
    ...["dist/antrea-agent.js", ...laterAgent].map((script) => [...flags, script, "--help"]),
    ...inside.filter(isLeftOutHere).map((file) => [...flags, bundleOf(file)]),
  ])
    await run(process.execPath, words, { cwd: root, env: { ...process.env, ...compiled } });
}

const asked = askedFor(process.argv.slice(2));
if (typeof asked === "string") {
  process.stderr.write(asked === "" ? usage : `${asked}\n\n${usage}`);
  process.exitCode = asked === "" ? 0 : 2;
} else
  process.exitCode = await main(asked).catch((error: unknown) => {
    say(errorMessage(error));
    return 1;
  });
