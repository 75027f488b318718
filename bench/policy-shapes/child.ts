import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nodeOptions } from "../../src/lab/programs.ts";

/** The controller's own, and room for eight times the size of the largest shape. */
const options = [...(nodeOptions["antrea-controller"] ?? []), "--max-old-space-size=8192"];

/** Runs one measurement in a process of its own, so that nothing of another is warm or counted, and reads the figures it prints. */
export async function inOwnProcess(file: string, ...words: readonly string[]): Promise<Readonly<Record<string, number>>> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [...options, path, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) throw new Error(`${file} ${words.join(" ")} ended with ${code}`);
  return JSON.parse(output) as Record<string, number>;
}
