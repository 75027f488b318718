import { sleep } from "#lib/runtime/clock.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeClient } from "./client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "./errors.ts";
import { type Lease, leases } from "./kinds.ts";

/** What one of several equal processes alone may do, for as long as it holds a Lease (`coordination.k8s.io/v1`). */
export interface LeaseHold {
  /** By this process's own clock: false once the last renewal is too old, also when the process was stopped meanwhile. Ask before each use. */
  readonly held: boolean;
  /** Who holds it, as last seen; undefined for nobody. */
  readonly holder: string | undefined;
  /** Hears each time that this process becomes the holder. */
  onGained(listener: () => void): void;
  /** Lets another have it at once. Resolves also when the API does not answer. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Unlike that of every other process, former lives of this one included. */
  readonly identity: string;
  readonly signal: AbortSignal;
}

/** How long a holder that is not heard of keeps it. Short, as what the holder does is cheap to take over and cheap to do twice. */
export const leaseDuration: Duration = seconds(6);
/** From one renewal, or look at somebody else's, to the next. */
const interval = seconds(2);
/** A holder that could not renew for this long stops. Less than {@link leaseDuration} by more than the drift of any two clocks over it. */
const renewWithin: Duration = seconds(4);

/** Tries to get the Lease and keeps it, until `signal` aborts. Times of other machines are never compared with one's own. */
export function holdLease({ runtime, client, namespace, name, identity, signal }: LeaseOptions): LeaseHold {
  const { clock, logger } = runtime;
  const listeners = new Set<() => void>();
  let heldUntil = Number.NEGATIVE_INFINITY;
  let seen: { readonly holder: string; readonly renewTime: string; readonly since: number } | undefined;
  let problem: string | undefined;

  const isHeld = (): boolean => clock.monotonic() < heldUntil;
  /** Whether somebody else's time runs. It starts when a renewal is first seen. */
  const isTaken = ({ holderIdentity: holder = "", renewTime = "" }: NonNullable<Lease["spec"]>): boolean => {
    if (holder === "" || holder === identity) return false;
    if (seen?.holder !== holder || seen.renewTime !== renewTime) seen = { holder, renewTime, since: clock.monotonic() };
    return clock.monotonic() - seen.since < leaseDuration;
  };
  const specOf = (before: Lease["spec"] = {}): NonNullable<Lease["spec"]> => {
    const now = new Date(clock.wall()).toISOString().replace("Z", "000Z");
    const isMine = before.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: leaseDuration / 1_000,
      acquireTime: isMine ? (before.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (before.leaseTransitions ?? 0) + (isMine ? 0 : 1),
    };
  };
  const attempt = async (): Promise<void> => {
    const began = clock.monotonic();
    const found = await client.get(leases, { namespace, name }).catch((error: unknown) => (isNotFound(error) ? undefined : reject(error)));
    if (found === undefined) await client.create(leases, { metadata: { namespace, name }, spec: specOf() });
    else if (isTaken(found.spec ?? {})) return;
    // With the resourceVersion that was read: of two that take it, one is told of a conflict.
    else await client.update(leases, { ...found, spec: specOf(found.spec) });
    if (signal.aborted) return;
    // Now, not before the API was asked: while it took its time the Lease may have lapsed, and what was left undone then is waited for by those who listen.
    const was = isHeld();
    // An answer that was given up and comes after all takes nothing from a later one.
    heldUntil = Math.max(heldUntil, began + renewWithin);
    seen = { holder: identity, renewTime: "", since: began };
    if (was || !isHeld()) return;
    logger.info("holds the Lease", { name, identity });
    for (const listener of [...listeners]) listener();
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const late = new AbortController();
      const tooLong = sleep(clock, renewWithin, AbortSignal.any([late.signal, signal])).then(
        () => reject(new Error(`no answer within ${renewWithin / 1_000} s`)),
        () => {},
      );
      try {
        await Promise.race([attempt(), tooLong]);
        problem = undefined;
      } catch (error) {
        if (!isConflict(error) && !isAlreadyExists(error) && problem !== errorMessage(error)) {
          problem = errorMessage(error);
          logger.warn("cannot keep or get the Lease", { name, error: problem });
        }
      }
      late.abort();
      await sleep(clock, interval, signal).catch(() => {});
    }
  };
  void run();

  return {
    get held() {
      return isHeld();
    },
    get holder() {
      return isHeld() ? identity : seen?.holder;
    },
    onGained: (listener) => void listeners.add(listener),
    async release() {
      if (!isHeld()) return;
      heldUntil = Number.NEGATIVE_INFINITY;
      try {
        const found = await client.get(leases, { namespace, name });
        if (found.spec?.holderIdentity === identity) await client.update(leases, { ...found, spec: { ...found.spec, holderIdentity: "" } });
      } catch (error) {
        logger.debug("the Lease is not given back; it ends by itself", { name, error: errorMessage(error) });
      }
    },
  };
}

const reject = (error: unknown): never => {
  throw error;
};
