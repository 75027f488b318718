import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { promisify } from "node:util";

/**
 * The machine whose kernel forwards in tests that need no more of it: an emulated one, whose door `ANTREA_TEST_MACHINE` names as `HOST:PORT`, while the test itself
 * computes here at full speed; else this one. The door (tools/kernel/door.ts) takes a line: the path of a socket there, which it leads on to, or `sh`, and a script.
 */
const [host = "", port = ""] = (process.env.ANTREA_TEST_MACHINE ?? "").split(":");
export const isFar: boolean = port !== "";

const run = promisify(execFile);
const largestOutputBytes = 256 * 1024 * 1024;
/** Shells there in which nothing runs: to start one takes an emulated machine as long as what it then does. As many as ever were wanted at a time. */
const idleShells: Socket[] = [];

/** Runs a program there, with `input` as its standard input, and gives what it printed. Rejects when it fails. */
export async function onTestMachine(
  program: string,
  args: readonly string[],
  { input = "" }: { readonly input?: string } = {},
): Promise<string> {
  if (!isFar) {
    const started = run(program, [...args], { maxBuffer: largestOutputBytes });
    started.child.stdin?.end(input);
    return (await started).stdout;
  }
  const words = [program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const { output, code } = await inShell(`${words} 2>&1 <<'END OF INPUT'\n${input}\nEND OF INPUT\n`);
  if (code !== 0) throw new Error(`${words} on the test machine: ${output}`);
  return output;
}

async function inShell(script: string): Promise<{ readonly output: string; readonly code: number }> {
  const shell = idleShells.pop() ?? enter("sh").unref();
  const sign = `ended ${randomUUID()} with `;
  shell.ref();
  try {
    return await new Promise((resolve, reject) => {
      let output = "";
      const hear = (bytes: string): void => {
        output += bytes;
        const at = output.indexOf(sign);
        if (at < 0 || !output.endsWith("\n")) return;
        shell.removeAllListeners();
        idleShells.push(shell);
        resolve({ output: output.slice(0, at), code: Number(output.slice(at + sign.length)) });
      };
      shell.setEncoding("utf8").on("data", hear);
      shell.once("error", reject).once("close", () => reject(new Error(`the test machine is gone: ${script}${output}`)));
      shell.write(`${script}echo "${sign}$?"\n`);
    });
  } finally {
    shell.unref();
  }
}

/** Has what connects to `path` here reach the socket of that path there, from the moment that it is there. Resolves with the way to end that. */
export async function leadTo(path: string): Promise<() => Promise<void>> {
  const open = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = enter(path);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  return async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    await closed;
    await rm(path, { force: true });
  };
}

function enter(what: string): Socket {
  const socket = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
  socket.write(`${what}\n`);
  return socket;
}
