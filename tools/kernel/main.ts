// `npm run test:kernel -- [PART|FILE…]`: tests with real packets on the kernel's datapath, on Debian's kernel in an emulated machine.
import { execFile, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { build } from "esbuild";
import { buildCniExecutable } from "../../src/lab/cni-executable.ts";
import { errorMessage } from "../../src/lib/runtime/errors.ts";
import { bundleOf, bundleTests } from "./bundle-tests.ts";
import { kvmRunsStockKernels, runInMachine } from "./machine.ts";
import { createTimeTable, endedLine, isBeside, offSwitch, openLine, parts, shellWords } from "./parts.ts";
import { requireEmulator, requireKernel } from "./packages.ts";

/** What all parts may take on two processors that have nothing else to do. */
const wholeMinutes = 60;
/** After that the machine hangs: others may want the processors, too. */
const limitMinutes = 4 * wholeMinutes;
const usage = `usage: npm run test:kernel -- [--patience N] [--steady] [--cases all|NUMBER | PART|FILE…]
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
  --command WORDS  runs this in place of the tests, by a shell: to look around; each
                line begins with the seconds of processor time until then

  --prepare        installs and downloads alone, and runs nothing

Installs Debian's qemu-system-x86 and downloads Debian's stock kernel once (70 MB, kept in ~/.cache/antrea-ts).
At the end it prints what each file took; all together are meant to take less than ${wholeMinutes} minutes.
Exit codes: 0 all passed; 1 otherwise; 2 a wrong flag.
`;
const run = promisify(execFile);
const all = parts.flatMap(({ files }) => files);
const filesOf = (word: string): readonly string[] | undefined => parts.find(({ name }) => name === word)?.files;
const root = fileURLToPath(new URL("../..", import.meta.url));
/** What switches alone use of the kernel: each module takes an emulated machine a tenth of a second. */
const switchModules = ["openvswitch", "vport_geneve", "veth"];
/** What Open vSwitch, nftables, conntrack and the tests use of the kernel. */
const modules = [
  ...["openvswitch", "vport_geneve", "vport_vxlan", "vport_gre", "veth", "bridge", "dummy", "tun", "sctp"],
  ...["nf_tables", "nft_ct", "nft_chain_nat", "nft_masq", "nft_nat", "nft_limit", "nft_objref", "nft_reject_inet", "nft_fib_inet"],
  ...["nf_conntrack_netlink", "inet_diag", "tcp_diag", "udp_diag", "unix_diag", "af_packet_diag", "netlink_diag"],
];
const isEmulated = !kvmRunsStockKernels();
const say = (line: string): void => void process.stderr.write(`kernel: ${line}\n`);

/** Files whose tests are left out on other machines: there they only load, and are compiled. */
const isLeftOutHere = (file: string): boolean => /withoutKernel/.test(readFileSync(`${root}${file}`, "utf8"));

interface Asked {
  readonly files: readonly string[];
  readonly patience: number;
  readonly clock: "wall" | "instructions";
  /** Which policy cases are played with every probe. */
  readonly cases?: string;
  readonly command?: string;
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
        steady: { type: "boolean" },
        prepare: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
    const patience = Number(values.patience ?? (isEmulated ? 12 : 1));
    const asked = positionals.flatMap((word) => filesOf(word) ?? [word]);
    const missing = asked.find((file) => !existsSync(`${root}/${file}`));
    if (values.help) return "";
    if (!(patience >= 1)) return `--patience ${values.patience}: must be a number from 1 up`;
    if (missing !== undefined) return `${missing}: there is no such part, and no such file in ${root}`;
    return {
      files: values.cases !== undefined ? (filesOf("cases") ?? []) : asked.length > 0 ? asked : all,
      patience,
      clock: values.steady ? "instructions" : "wall",
      ...(values.cases === undefined ? {} : { cases: values.cases }),
      ...(values.command === undefined ? {} : { command: values.command }),
      prepareOnly: values.prepare === true,
    };
  } catch (error) {
    return errorMessage(error);
  }
}

async function main({ files, patience, clock, cases, command, prepareOnly }: Asked): Promise<number> {
  if (process.arch !== "x64") {
    say(`not run: this is ${process.arch}, and the machine is made for x64`);
    return 0;
  }
  const emulator = await requireEmulator(say);
  const kernel = await requireKernel(say);
  if (prepareOnly) return 0;
  say("building what runs there");
  await run(process.execPath, ["tools/build.ts"], { cwd: root });
  await buildCniExecutable();
  await build({
    absWorkingDir: root,
    entryPoints: ["src/agent/testing/fake-kubernetes.ts"],
    outdir: "dist/testing",
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "warning",
  });
  const [beside = [], inside = []] = [files.filter(isBeside), files.filter((file) => !isBeside(file))];
  await bundleTests(root, inside);
  // Compiled by this machine in a second, by an emulated one in ten: what has the same content and name there need not be compiled again.
  const compiled = { NODE_COMPILE_CACHE: `${root}.cache/compile` };
  const flags = isEmulated ? ["--jitless"] : [];
  for (const words of [
    [...flags, "dist/antrea-agent.js", "--help"],
    ...inside.filter(isLeftOutHere).map((file) => [...flags, bundleOf(file)]),
  ])
    await run(process.execPath, words, { cwd: root, env: { ...process.env, ...compiled } });
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
    // An emulated machine has no time for more packets beside an agent's start.
    ...(isEmulated ? ["RESTART_PODS=1", "RESTART_RATE=20", `ANTREA_TEST_NODE_FLAGS=${flags.join(" ")}`] : []),
    "NO_COLOR=1",
  ];
  const started = performance.now();
  let failed = false;
  const enter = (script: string): void =>
    void connect(entrance ?? 0, "127.0.0.1")
      .on("error", () => {})
      .end(`sh\n${script}\n`);
  const runBeside = async (): Promise<void> => {
    for (const file of beside) {
      const variables = { ...process.env, ...environment, ANTREA_TEST_MACHINE: `127.0.0.1:${entrance}` };
      const child = spawn(process.execPath, ["--test", "--test-reporter=spec", file], { cwd: root, stdio: "inherit", env: variables });
      const code = await new Promise<number>((resolve) => child.once("close", (ended) => resolve(ended ?? 1)));
      failed ||= code !== 0;
      enter(`echo "${endedLine(file, code)}" >/dev/console`);
    }
    enter(`echo >${offSwitch}`);
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
    timeoutMs: limitMinutes * 60_000,
    onLine: (line, seconds) => {
      if (line.trim() === openLine) void runBeside();
      else if (command !== undefined) process.stdout.write(`${seconds.toFixed(1)} ${line}\n`);
      else if (!times.hear(line, seconds)) process.stdout.write(`${line}\n`);
    },
  });
  if (command === undefined) for (const line of times.lines()) say(line);
  say(
    `${code === 0 && !failed ? "passed" : code === undefined ? "the machine stopped by itself" : "failed"} after ${((performance.now() - started) / 1_000).toFixed(0)} s`,
  );
  return failed ? 1 : (code ?? 1);
}

/** Whoever takes it before QEMU does makes this run fail. */
function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
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
