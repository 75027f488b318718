import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { SessionAnswer, SessionRequest } from "../images/agnhost/session.ts";
import type { Outcome } from "./execute.ts";

/** How long an answer may take: a session whose kubelet was stopped or killed never says so. */
const answerLimitMs = 20_000;

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** The lab's test server in many pods, asked over one `kubectl exec` each, which is begun anew when it broke. */
export interface PodSessions {
  /** Runs a command of the test server in the pod's first container. Never throws. */
  run(pod: PodName, args: readonly string[]): Promise<Outcome>;
  close(): void;
}

export function openPodSessions({ kubeconfig }: { readonly kubeconfig: string }): PodSessions {
  const sessions = new Map<string, Session>();
  const sessionOf = (pod: PodName): { readonly session: Session; readonly isNew: boolean } => {
    const key = `${pod.namespace}/${pod.name}`;
    const known = sessions.get(key);
    if (known?.isOpen()) return { session: known, isNew: false };
    const session = startSession(kubeconfig, pod);
    sessions.set(key, session);
    return { session, isNew: true };
  };
  return {
    async run(pod, args) {
      const { session, isNew } = sessionOf(pod);
      const outcome = await session.ask(args);
      if (outcome !== undefined) return outcome;
      // It may have ended with a process that the script killed since the last question.
      const again = isNew ? undefined : await sessionOf(pod).session.ask(args);
      return again ?? { ok: false, stdout: "", stderr: `${pod.namespace}/${pod.name} does not answer: ${session.complaint()}` };
    },
    close() {
      for (const session of sessions.values()) session.end();
    },
  };
}

interface Session {
  isOpen(): boolean;
  /** Undefined when it broke instead. */
  ask(args: readonly string[]): Promise<Outcome | undefined>;
  /** What kubectl said last. */
  complaint(): string;
  end(): void;
}

function startSession(kubeconfig: string, { namespace, name }: PodName): Session {
  const words = ["exec", "-i", "-n", namespace, name, "--", "/agnhost", "session"];
  const child: ChildProcessWithoutNullStreams = spawn("kubectl", words, { env: { ...process.env, KUBECONFIG: kubeconfig } });
  const waiting = new Map<number, (outcome: Outcome | undefined) => void>();
  let open = true;
  let complaint = "";
  let last = 0;
  const end = (): void => {
    open = false;
    child.kill("SIGKILL");
    for (const resolve of waiting.values()) resolve(undefined);
    waiting.clear();
  };
  child.once("error", end).once("close", end);
  child.stdin.on("error", end);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = text.trim();
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const answer = parseAnswer(line);
    if (answer === undefined) return;
    waiting.get(answer.id)?.({ ok: answer.code === 0, stdout: answer.stdout, stderr: answer.stderr });
    waiting.delete(answer.id);
  });
  return {
    isOpen: () => open,
    complaint: () => complaint,
    end,
    ask(args) {
      if (!open) return Promise.resolve(undefined);
      const request: SessionRequest = { id: ++last, args };
      return new Promise((resolve) => {
        const timer = setTimeout(end, answerLimitMs);
        waiting.set(request.id, (outcome) => {
          clearTimeout(timer);
          resolve(outcome);
        });
        child.stdin.write(`${JSON.stringify(request)}\n`);
      });
    },
  };
}

function parseAnswer(line: string): SessionAnswer | undefined {
  try {
    return JSON.parse(line) as SessionAnswer;
  } catch {
    return undefined;
  }
}
