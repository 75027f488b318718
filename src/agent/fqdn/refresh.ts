import type { FqdnCache, FqdnPatch } from "#core/fqdn/index.ts";
import { errorMessage, milliseconds, type Runtime, type Timer } from "#lib/runtime/index.ts";
import type { NameResolver } from "./resolver.ts";
import type { UsedAddresses } from "./used-addresses.ts";

/** How often is looked for names that are due. A name with a TTL of 30 s is due 3 s before it expires. */
const lookEvery = milliseconds(500);
/** Names asked for at one time: ten thousand names of 30 s are 370 a second, each two questions of a millisecond. */
const askedAtOnce = 32;

/** Asks for names of rules before their addresses expire. */
export interface Refresh {
  /** Looks for due names now: a rule with a new name is in force sooner. */
  poke(): void;
  figures(): { readonly asked: number; readonly failed: number };
}

export function refreshNames(options: {
  readonly runtime: Runtime;
  readonly cache: FqdnCache;
  readonly resolver: Pick<NameResolver, "resolve">;
  readonly apply: (patches: readonly FqdnPatch[]) => void;
  readonly used: UsedAddresses;
  readonly signal: AbortSignal;
}): Refresh {
  const { runtime, cache, resolver, apply, used, signal } = options;
  const logger = runtime.logger.with({ component: "fqdn" });
  const counts = { asked: 0, failed: 0 };
  let underWay = 0;
  let timer: Timer | undefined;

  const ask = async (name: string, family: 4 | 6): Promise<void> => {
    underWay++;
    counts.asked++;
    try {
      const answer = await resolver.resolve(name, family, signal);
      // Only what is about to go is worth a look at the connections.
      if (cache.lacks(answer, runtime.clock.wall())) await used.look();
      const found = cache.learn(answer, { from: { by: "agent" }, now: runtime.clock.wall(), inUse: used.has });
      apply(found.patches);
    } catch (error) {
      if (signal.aborted) return;
      counts.failed++;
      logger.debug("a name of a rule could not be resolved", { name, error: errorMessage(error) });
    } finally {
      underWay--;
    }
  };
  const look = (): void => {
    timer?.cancel();
    timer = undefined;
    if (signal.aborted) return;
    const room = Math.ceil((askedAtOnce - underWay) / 2);
    if (room > 0)
      for (const { name, families } of cache.due(runtime.clock.wall(), room)) for (const family of families) void ask(name, family);
    // With no names to keep nothing wakes the agent.
    if (cache.figures().names > 0) timer = runtime.clock.after(lookEvery, look, { background: true });
  };
  return {
    poke() {
      if (timer === undefined) look();
    },
    figures: () => ({ ...counts }),
  };
}
