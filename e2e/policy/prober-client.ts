import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import type { ProbedWay, ProberAnswer, ProberRequest } from "../../src/lab/images/agnhost/prober.ts";

export type { ProbedWay };

/** How long an answer may take beyond the time that its probes have, on a machine with much to do. */
const patienceMs = 240_000;
const retryPauseMs = 20;

/** The prober of one pod, or of a node's own stack. */
export interface Prober {
  /** The verdicts in the order of the ways. */
  probe(ways: readonly ProbedWay[], timeoutMs: number): Promise<readonly string[]>;
  open(name: string, way: ProbedWay, timeoutMs: number): Promise<string>;
  exchange(names: readonly string[], timeoutMs: number): Promise<readonly string[]>;
  forget(names: readonly string[]): Promise<void>;
  close(): void;
}

type Question = ProberRequest extends infer Request ? (Request extends ProberRequest ? Omit<Request, "id"> : never) : never;

/** Connects to the socket as soon as it is there. */
export async function connectProber(socketPath: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<Prober> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return proberOn(await dial(socketPath));
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`no prober at ${socketPath}`, { cause: error });
      await wait(retryPauseMs);
    }
  }
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket));
    socket.once("error", reject);
  });
}

function proberOn(socket: Socket): Prober {
  const waiting = new Map<number, { readonly resolve: (verdicts: readonly string[]) => void; readonly reject: (error: Error) => void }>();
  let last = 0;
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { id, verdicts } = JSON.parse(line) as ProberAnswer;
      waiting.get(id)?.resolve(verdicts);
      waiting.delete(id);
    }
  });
  const fail = (): void => {
    for (const { reject } of waiting.values()) reject(new Error("the prober went away"));
    waiting.clear();
  };
  socket.on("error", fail).on("close", fail);

  const ask = (question: Question): Promise<readonly string[]> =>
    new Promise((resolve, reject) => {
      const id = ++last;
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new Error(`the prober does not answer ${question.op}`));
      }, question.timeoutMs + patienceMs);
      const done =
        <Argument>(settle: (argument: Argument) => void) =>
        (argument: Argument) => {
          clearTimeout(timer);
          settle(argument);
        };
      waiting.set(id, { resolve: done(resolve), reject: done(reject) });
      socket.write(`${JSON.stringify({ id, ...question })}\n`);
    });
  return {
    probe: (ways, timeoutMs) => ask({ op: "probe", ways, timeoutMs }),
    open: async (name, way, timeoutMs) => (await ask({ op: "open", name, way, timeoutMs }))[0] ?? "error",
    exchange: (names, timeoutMs) => ask({ op: "exchange", names, timeoutMs }),
    forget: async (names) => void (await ask({ op: "close", names, timeoutMs: 0 })),
    close: () => socket.destroy(),
  };
}
