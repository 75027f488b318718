import { setTimeout as pause } from "node:timers/promises";
import { readFlags, UsageError } from "./flags.ts";

const methods = ["GET", "POST", "PUT"];
const namespaces = ["kube-system", "default", "ns"];

/**
 * `logs-generator --log-lines-total=COUNT --run-duration=DURATION`: lines like those of an API server's log, numbered, spread evenly over the duration. Suites count
 * them, and look for the severity and the number in each.
 */
export async function logsGenerator(args: readonly string[], complain: (line: string) => void): Promise<number> {
  const flags = readFlags(args, ["log-lines-total", "run-duration"]);
  const total = flags.number("log-lines-total", 0);
  const duration = flags.duration("run-duration", 0);
  if (total <= 0) throw new UsageError("--log-lines-total: give a number above 0");
  if (duration <= 0) throw new UsageError("--run-duration: give a duration above 0");
  for (let index = 0; index < total; index++) {
    const name = Math.random().toString(36).slice(2, 6);
    const status = 200 + Math.floor(Math.random() * 400);
    const path = `/api/v1/namespaces/${anyOf(namespaces)}/pods/${name}`;
    complain(`${logHeader()} logs_generator.go:76] ${index} ${anyOf(methods)} ${path} ${status}`);
    await pause(duration / total);
  }
  return 0;
}

const anyOf = (words: readonly string[]): string => words[Math.floor(Math.random() * words.length)] ?? "";

/** Severity, month and day, time and process, as Kubernetes' programs begin their lines. */
function logHeader(): string {
  const now = new Date().toISOString();
  return `I${now.slice(5, 7)}${now.slice(8, 10)} ${now.slice(11, 23)}000 ${String(process.pid).padStart(7)}`;
}
