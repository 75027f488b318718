import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { knock } from "./door.ts";
import { endedLine, offSwitch } from "./parts.ts";

/** How often somebody knocks at the machine's door while tests run beside it. */
const knockEveryMs = 2_000;
/** Whose door answers nobody for so long hangs. A healthy one answers in milliseconds, and in seconds when others want the processors. */
const longestSilenceMs = 120_000;

/** Where the machine's door is, on this machine's loopback interface. */
export interface Entrance {
  readonly port: number;
  /** Aborted when there is no machine any more. */
  readonly signal: AbortSignal;
}

export interface FilesBeside extends Entrance {
  readonly root: string;
  readonly files: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Runs test files beside the machine, one after the other, and has it switch itself off. Resolves with whether all of them passed: none does that runs when the machine ends. */
export async function runBeside({ root, files, environment, port, signal }: FilesBeside): Promise<boolean> {
  // Of a test that is killed all that it left here goes with it.
  const scratch = await mkdtemp(join(tmpdir(), "beside-kernel-"));
  const variables = { ...process.env, ...environment, TMPDIR: scratch, ANTREA_TEST_MACHINE: `127.0.0.1:${port}` };
  let passed = true;
  for (const file of files) {
    if (signal.aborted) break;
    const words = ["--pdeathsig", "KILL", process.execPath, "--test-reporter=spec", "--test-force-exit", file];
    const child = spawn("setpriv", words, { cwd: root, stdio: "inherit", env: variables });
    const kill = (): void => void child.kill("SIGKILL");
    signal.addEventListener("abort", kill, { once: true });
    const code = await new Promise<number>((resolve, reject) => child.once("error", reject).once("close", (ended) => resolve(ended ?? 1)));
    signal.removeEventListener("abort", kill);
    passed &&= code === 0;
    say(port, `sh\necho "${endedLine(file, code)}" >/dev/console\n`);
  }
  await rm(scratch, { recursive: true });
  passed &&= !signal.aborted;
  say(port, `sh\necho >${offSwitch}\n`);
  return passed;
}

const say = (port: number, words: string): void =>
  void connect(port, "127.0.0.1")
    .on("error", () => {})
    .end(words);

/** Resolves when the door has not answered for so long; with the signal at the latest. */
export async function untilSilent({ port, signal }: Entrance, { silenceMs = longestSilenceMs } = {}): Promise<void> {
  while (!signal.aborted) {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(silenceMs)]);
    while (!patience.aborted && !(await answers({ port, signal: patience }))) await pause(patience);
    if (patience.aborted) return;
    await pause(signal);
  }
}

const pause = (signal: AbortSignal): Promise<void> => sleep(knockEveryMs, undefined, { signal }).catch(() => {});

/** Whether who is knocked at answers, however late; false when the connection ends. */
function answers({ port, signal }: Entrance): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", signal });
    socket.on("error", () => {}).once("close", () => resolve(false));
    socket.once("data", () => resolve(true)).once("data", () => socket.destroy());
    socket.write(`${knock}\n`);
  });
}

/** Whoever takes it before QEMU does makes this run fail. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
