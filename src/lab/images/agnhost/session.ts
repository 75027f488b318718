import { createInterface } from "node:readline";

/** One line of a session's input: an agnhost command with its arguments. */
export interface SessionRequest {
  readonly id: number;
  readonly args: readonly string[];
}

/** What the command printed, and its exit code. */
export interface SessionAnswer {
  readonly id: number;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command, with what it prints. */
export type RunCommand = (args: readonly string[], print: (line: string) => void, complain: (line: string) => void) => Promise<number>;

/**
 * `session`: reads one JSON object a line from standard input ({@link SessionRequest}), runs the command in this process and answers with a line
 * ({@link SessionAnswer}), until the input ends. One `kubectl exec` for a whole test, where one for each question takes most of the time. An addition of ours.
 */
export async function session(run: RunCommand, print: (line: string) => void): Promise<number> {
  const pending = new Set<Promise<void>>();
  for await (const line of createInterface({ input: process.stdin })) {
    const request = parse(line);
    if (request === undefined) {
      print(JSON.stringify({ id: -1, code: 1, stdout: "", stderr: "not a request of a session" } satisfies SessionAnswer));
      continue;
    }
    const answering = answer(request, run).then((text) => {
      pending.delete(answering);
      print(JSON.stringify(text));
    });
    pending.add(answering);
  }
  await Promise.all(pending);
  return 0;
}

async function answer({ id, args }: SessionRequest, run: RunCommand): Promise<SessionAnswer> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const code = await run(
    args,
    (line) => void stdout.push(`${line}\n`),
    (line) => void stderr.push(`${line}\n`),
  );
  return { id, code, stdout: stdout.join(""), stderr: stderr.join("") };
}

function parse(line: string): SessionRequest | undefined {
  try {
    const value = JSON.parse(line) as Partial<SessionRequest> | null;
    const isRequest =
      typeof value?.id === "number" && Array.isArray(value.args) && value.args.every((each: unknown) => typeof each === "string");
    return isRequest ? (value as SessionRequest) : undefined;
  } catch {
    return undefined;
  }
}
