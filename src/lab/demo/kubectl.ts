import { spawn } from "node:child_process";
import { run } from "../command.ts";

/** The stock kubectl, as a user runs it. */
export interface Kubectl {
  (args: readonly string[], input?: string): Promise<string>;
  /** Runs until the end of `signal`; hears each line it prints. */
  lines(args: readonly string[], options: { readonly signal: AbortSignal; readonly onLine: (line: string) => void }): Promise<void>;
}

export function createKubectl(kubeconfig: string): Kubectl {
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const kubectl = (args: readonly string[], input?: string): Promise<string> =>
    run("kubectl", args, { env, ...(input === undefined ? {} : { input }) });
  return Object.assign(kubectl, {
    lines(
      args: readonly string[],
      { signal, onLine }: { readonly signal: AbortSignal; readonly onLine: (line: string) => void },
    ): Promise<void> {
      return new Promise<void>((resolve) => {
        const child = spawn("kubectl", args, { env, stdio: ["ignore", "pipe", "ignore"] });
        let rest = "";
        child.stdout.setEncoding("utf8");
        child.stdout.on("data", (chunk: string) => {
          const lines = (rest + chunk).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) onLine(line);
        });
        signal.addEventListener("abort", () => child.kill("SIGKILL"), { once: true });
        child.once("close", () => resolve());
        child.once("error", () => resolve());
      });
    },
  });
}
