import { compileDnsHold } from "#core/pipeline/dns/index.ts";
import type { Pipeline } from "#core/pipeline/index.ts";
import type { BundledChange, OpenFlowConnection } from "#lib/openflow/connection.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { keepConnected } from "../ovs/keep-connected.ts";
import type { ListenerPort } from "./listener-port.ts";

/** What happens to answers of DNS while no agent listens: `pass` lets them through unread, `hold` loses them. */
export type WhenAgentIsDown = "pass" | "hold";

/** Without word of the agent for this long, answers pass: between a hiccup and the 5 s after which clients ask again. */
const lapse = 3;
const renewEvery = seconds(1);

/** Keeps the flows in the switch that hand answers of DNS to the agent. */
export interface DnsHold {
  /** Whose answers are to be held: the OpenFlow ports of pods under rules with names. */
  set(receivers: readonly number[]): void;
  /** Whether there is a connection that they come by. */
  listens(connected: boolean): void;
  /** Lets answers pass from now on, where they do without an agent: this one ends. */
  stop(): Promise<void>;
}

export function keepDnsHold(options: {
  readonly runtime: Runtime;
  readonly pipeline: Pipeline;
  readonly connect: (signal: AbortSignal) => Promise<Pick<OpenFlowConnection, "change" | "closed" | "close">>;
  readonly whenAgentIsDown: WhenAgentIsDown;
  readonly metered: boolean;
  /** What tells the switch that the agent lives; without, only the lapse of the flows does. Not asked where answers wait for an agent in any case. */
  readonly listener?: ListenerPort | undefined;
  /** Seconds without word of the agent after which answers pass. Default {@link lapse}. */
  readonly lapseSeconds?: number | undefined;
}): DnsHold {
  const { runtime, pipeline, connect, whenAgentIsDown, metered, lapseSeconds = lapse } = options;
  const listener = whenAgentIsDown === "pass" ? options.listener : undefined;
  const logger = runtime.logger.with({ component: "fqdn" });
  const hold = (): BundledChange[] => {
    const conditions = whenAgentIsDown === "pass" ? { timeoutSeconds: lapseSeconds, listener: listener?.ofport() } : {};
    return compileDnsHold(pipeline, { ...conditions, metered, receivers }).map((flow) => ({ command: "add", flow }));
  };
  const end = new AbortController();
  /** Undefined until the policies are known: what an earlier run left stays until it lapses. */
  let wanted: boolean | undefined;
  let receivers: readonly number[] = [];
  let wake: () => void = () => {};
  let current: Pick<OpenFlowConnection, "change"> | undefined;
  // Whatever is in the table.
  const removal = [
    { command: "delete", flow: { table: pipeline.table("DNSHold"), priority: 0, cookie: 0n, match: {}, actions: [] } },
  ] as const;
  let connected = false;
  let shown: boolean | undefined;
  const show = (): void => {
    const listening = wanted === true && connected;
    if (listener === undefined || listening === shown) return;
    shown = listening;
    listener
      .show(listening)
      .catch((error: unknown) => logger.warn("the switch cannot be told whether answers of DNS are read", { error: errorMessage(error) }));
  };
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
        if (wanted === true) await connection.change(hold());
        else if (wanted === false && there) await connection.change(removal);
        there = wanted ?? true;
        await pause(closed);
      }
    },
  });
  return {
    set(next) {
      if (wanted !== undefined && String(receivers) === String(next)) return;
      receivers = next;
      wanted = next.length > 0;
      show();
      wake();
    },
    listens(now) {
      connected = now;
      show();
    },
    async stop() {
      const was = wanted;
      wanted = undefined;
      show();
      try {
        if (was === true && whenAgentIsDown === "pass") await current?.change(removal);
      } catch (error) {
        logger.debug("answers of DNS pass a little later", { error: errorMessage(error) });
      }
      end.abort();
      wake();
    },
  };
}
