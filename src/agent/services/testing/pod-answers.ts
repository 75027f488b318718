import { createInterface } from "node:readline";
import { join } from "node:path";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import type { PacketPod } from "../../flows/testing/packet-node.ts";

/** Sends a pod's program a request, such as `tcp HOST PORT`; resolves with its answer. `withinMs` is for what must not come: default as long as it takes. */
export type AskFrom = (request: string, withinMs?: number) => Promise<string>;

/** Starts `pod-program.ts` in a pod, serving these ports of TCP and UDP. Resolves when it does. */
export async function startPodProgram(pod: PacketPod, ...ports: string[]): Promise<AskFrom> {
  const child = pod.start(process.execPath, join(import.meta.dirname, "pod-program.ts"), pod.port.podName, ...ports);
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new TypeError("a program without pipes");
  const ended = new Promise<never>((_, reject) => {
    child.once("exit", (code, signal) => reject(new Error(`the program in pod ${pod.port.podName} ended: ${signal ?? code}`)));
  });
  ended.catch(() => {});
  const waiting = new Map<string, (answer: string) => void>();
  let count = 0;
  createInterface({ input: stdout }).on("line", (line) => {
    const [id = "", ...answer] = line.split(" ");
    waiting.get(id)?.(answer.join(" "));
    waiting.delete(id);
  });
  const ask: AskFrom = (request, withinMs = amplePatience) => {
    const answer = new Promise<string>((resolve) => {
      const id = String(count++);
      waiting.set(id, resolve);
      stdin.write(`${id} ${withinMs} ${request}\n`);
    });
    return Promise.race([answer, ended]);
  };
  for (const port of ports) while (!(await ask(`tcp ::1 ${port}`)).startsWith(`${pod.port.podName} `));
  return ask;
}
