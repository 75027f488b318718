import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";

/**
 * The machine whose kernel forwards in tests that need no more of it: an emulated one, whose door `ANTREA_TEST_MACHINE` names as `HOST:PORT`, while the test itself
 * computes here at full speed; else this one. The door (tools/kernel/door.ts) takes a line: the path of a socket there, which it leads on to, or `sh`, and a script.
 */
const [host = "", port = ""] = (process.env.ANTREA_TEST_MACHINE ?? "").split(":");
export const isFar: boolean = port !== "";

const run = promisify(execFile);
const largestOutputBytes = 256 * 1024 * 1024;
const ended = /ended with (\d+)\n$/;

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
  const door = enter("sh");
  door.end(`${words} 2>&1 <<'END OF INPUT'\n${input}\nEND OF INPUT\necho "ended with $?"\n`);
  const output = await text(door);
  if (ended.exec(output)?.[1] !== "0") throw new Error(`${words} on the test machine: ${output}`);
  return output.replace(ended, "");
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
