import type { IpAddress } from "#lib/ip/index.ts";
import { type Duration, errorMessage, milliseconds, type Runtime, seconds } from "#lib/runtime/index.ts";

/** How long a look at the tracked connections counts, for answers that do not wait for a new one. */
const validFor: Duration = seconds(60);
/** A new look is not worth it sooner than this. */
const shortestRest: Duration = seconds(5);
/** Looking takes at most one part of so many of the time: on the userspace datapath the switch forwards nothing meanwhile. */
const restFactor = 50;

/** Knows which addresses live connections lead to: those are kept beyond their time. */
export interface UsedAddresses {
  /** Whether one leads there as far as is known; true while the first look is under way. */
  has(address: IpAddress): boolean;
  /** Resolves after a look at the connections, unless the last one was just now. */
  look(): Promise<void>;
}

/** `connections` tells the addresses that tracked connections lead to, once for each. Without it none is in use. */
export function createUsedAddresses(options: {
  readonly runtime: Pick<Runtime, "clock" | "logger">;
  readonly connections: (() => Promise<Iterable<IpAddress>>) | undefined;
}): UsedAddresses {
  const { runtime, connections } = options;
  const { clock } = runtime;
  let used: ReadonlySet<string> = new Set();
  let seenAt = Number.NEGATIVE_INFINITY;
  let notBefore = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  const read = async (source: () => Promise<Iterable<IpAddress>>): Promise<void> => {
    const begun = clock.monotonic();
    try {
      used = new Set([...(await source())].map(String));
    } catch (error) {
      // Nothing is kept open for want of an answer.
      used = new Set();
      runtime.logger.warn("addresses of names in use by connections are not known", { error: errorMessage(error) });
    } finally {
      seenAt = begun;
      const now = clock.monotonic();
      notBefore = now + Math.max(shortestRest, milliseconds((now - begun) * restFactor));
      running = undefined;
    }
  };
  const look = async (): Promise<void> => {
    if (connections === undefined || (running === undefined && clock.monotonic() < notBefore)) return;
    running ??= read(connections);
    await running;
  };
  return {
    has(address) {
      if (connections === undefined) return false;
      if (clock.monotonic() - seenAt < validFor) return used.has(String(address));
      void look();
      return true;
    },
    look,
  };
}
