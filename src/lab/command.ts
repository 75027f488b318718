import { spawn } from "node:child_process";
import { CommandFailed } from "./errors.ts";

/** Runs a tool to its end. Returns what it printed; throws {@link CommandFailed} with its last words. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: options.env ?? process.env });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.once("error", (error) => reject(new CommandFailed([command, ...args], null, error.message)));
    child.once("close", (status) => {
      if (status === 0) resolve(Buffer.concat(out).toString("utf8"));
      else reject(new CommandFailed([command, ...args], status, Buffer.concat(err).toString("utf8")));
    });
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** The arguments that run a command in the network namespace `netns`, other namespaces untouched (so cgroups and /sys stay as they are). */
export function inNetns(
  netns: string,
  command: string,
  args: readonly string[],
  options: {
    /** A process in whose mount namespace it runs too. */
    readonly mountsOf?: number | undefined;
  } = {},
): { readonly command: string; readonly args: readonly string[] } {
  const mounts = options.mountsOf === undefined ? [] : [`--mount=/proc/${options.mountsOf}/ns/mnt`];
  return { command: "nsenter", args: [`--net=/var/run/netns/${netns}`, ...mounts, "--", command, ...args] };
}
