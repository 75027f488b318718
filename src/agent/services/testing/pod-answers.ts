import { createInterface } from "node:readline";
import { join } from "node:path";
import type { PacketPod } from "../../flows/testing/packet-node.ts";

/** Starts `pod-program.ts` in a pod, serving these ports; the result sends it a request, such as `tcp HOST PORT`, and resolves with its answer. */
export function startPodProgram(pod: PacketPod, ...ports: string[]): (request: string) => Promise<string> {
  const child = pod.start(process.execPath, join(import.meta.dirname, "pod-program.ts"), pod.port.podName, ...ports);
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new TypeError("a program without pipes");
  const waiting = new Map<string, (answer: string) => void>();
  let count = 0;
  createInterface({ input: stdout }).on("line", (line) => {
    const [id = "", ...answer] = line.split(" ");
    waiting.get(id)?.(answer.join(" "));
    waiting.delete(id);
  });
  return (request) =>
    new Promise((resolve) => {
      const id = String(count++);
      waiting.set(id, resolve);
      stdin.write(`${id} ${request}\n`);
    });
}
