import { compileDnsHold } from "#core/pipeline/dns/index.ts";
import type { Pipeline } from "#core/pipeline/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { keepConnected } from "../ovs/keep-connected.ts";

/** What happens to answers of DNS while no agent listens: `pass` lets them through unread, `hold` loses them. */
export type WhenAgentIsDown = "pass" | "hold";

/** Without word of the agent for this long, answers pass: between a hiccup and the 5 s after which clients ask again. */
const lapse = 3;
const renewEvery = seconds(1);

/** Keeps the one flow in the switch that hands answers of DNS to the agent. */
export interface DnsHold {
  /** Whether answers are to be held: some pod here is under a rule with names. */
  set(wanted: boolean): void;
  /** Lets answers pass from now on, where they do without an agent: this one ends. */
  stop(): Promise<void>;
}

export function keepDnsHold(options: {
  readonly runtime: Runtime;
  readonly pipeline: Pipeline;
  readonly connect: (signal: AbortSignal) => Promise<Pick<OpenFlowConnection, "flows" | "closed" | "close">>;
  readonly whenAgentIsDown: WhenAgentIsDown;
  readonly metered: boolean;
}): DnsHold {
  const { runtime, pipeline, connect, whenAgentIsDown, metered } = options;
  const logger = runtime.logger.with({ component: "fqdn" });
  const flow = compileDnsHold(pipeline, whenAgentIsDown === "pass" ? { timeoutSeconds: lapse, metered } : { metered });
  const end = new AbortController();
  /** Undefined until the policies are known: what an earlier run left stays until it lapses. */
  let wanted: boolean | undefined;
  let wake: () => void = () => {};
  let current: { flows: OpenFlowConnection["flows"] } | undefined;
  const removal = [{ command: "delete_strict", flow }] as const;
  const pause = async (closed: Promise<unknown>): Promise<void> => {
    const poked = new Promise<void>((resolve) => {
      wake = resolve;
    });
    // At rest nothing wakes the agent.
    const renewal = wanted === true && whenAgentIsDown === "pass" ? sleep(runtime.clock, renewEvery, end.signal).catch(() => {}) : poked;
    await Promise.race([poked, renewal, closed]);
  };
  keepConnected({
    runtime,
    connect,
    signal: end.signal,
    onLost: (error) => logger.debug("no connection to hold answers of DNS", { error: errorMessage(error) }),
    async serve(connection) {
      current = connection;
      let open = true;
      const closed = connection.closed.then(() => {
        open = false;
      });
      let there = true;
      while (open && !end.signal.aborted) {
        if (wanted === true) await connection.flows([{ command: "add", flow }]);
        else if (wanted === false && there) await connection.flows(removal);
        there = wanted ?? true;
        await pause(closed);
      }
    },
  });
  return {
    set(next) {
      if (wanted === next) return;
      wanted = next;
      wake();
    },
    async stop() {
      const was = wanted;
      wanted = undefined;
      try {
        if (was === true && whenAgentIsDown === "pass") await current?.flows(removal);
      } catch (error) {
        logger.debug("answers of DNS pass a little later", { error: errorMessage(error) });
      }
      end.abort();
      wake();
    },
  };
}
