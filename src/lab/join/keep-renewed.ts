import { X509Certificate } from "node:crypto";
import { createBackoff } from "#lib/runtime/backoff.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { hours, minutes, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { NodeCertificates } from "./node-certificates.ts";

/** When certificates are renewed, as parts of their life: the stock kubelet's bounds. Anywhere between, so that many nodes don't ask at once. */
const earliest = 0.7;
const latest = 0.9;
/** Timers are no longer than this: they don't know of a machine that slept, and Node has none of more than 24 days. */
const longestSleep = hours(1);
/** Signers date certificates back, so that short ones are past these parts when they are made: no more than one a minute is asked for. */
const shortestLife = minutes(1);

/**
 * Gets a node's certificates by `first`, and new ones by `again`, asked with the present ones, when 70 to 90 % of their life are over, until `signal`
 * aborts. Each pair is handed to `publish`. Certificates that expired all the same, as while the cluster's signer was away, are asked for by `first`.
 * Resolves when the first are published; throws what `first` throws.
 */
export async function keepRenewed(options: {
  readonly runtime: Runtime;
  readonly node: string;
  readonly first: () => Promise<NodeCertificates>;
  readonly again: (present: NodeCertificates) => Promise<NodeCertificates>;
  readonly publish: (certificates: NodeCertificates) => Promise<void>;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { first, publish, signal } = options;
  const certificates = await first();
  await publish(certificates);
  // Ends with the signal, and in no other way: every failure is tried again.
  void renewForever(options, certificates).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

async function renewForever(options: Parameters<typeof keepRenewed>[0], certificates: NodeCertificates): Promise<never> {
  const { runtime, node, first, again, publish, signal } = options;
  const backoff = createBackoff({ random: runtime.random, initial: seconds(1), limit: minutes(10) });
  for (let present = certificates; ; ) {
    const due = Math.max(renewalTime(runtime, present), runtime.clock.wall() + shortestLife);
    while (runtime.clock.wall() < due) await sleep(runtime.clock, Math.min(longestSleep, due - runtime.clock.wall()), signal);
    for (let renewed: NodeCertificates | undefined; renewed === undefined; ) {
      try {
        renewed = await (runtime.clock.wall() < expiry(present) ? again(present) : first());
        await publish(renewed);
        present = renewed;
        backoff.reset();
      } catch (error) {
        signal.throwIfAborted();
        renewed = undefined;
        const wait = backoff.next();
        runtime.logger.warn("a kubelet's certificates are not renewed; trying again", {
          node,
          expires: new Date(expiry(present)).toISOString(),
          error: errorMessage(error),
        });
        await sleep(runtime.clock, wait, signal);
      }
    }
  }
}

const both = ({ client, serving }: NodeCertificates): X509Certificate[] =>
  [client, serving].map(({ certificate }) => new X509Certificate(certificate));

/** Milliseconds since the epoch: when the first of the two is to be renewed. */
function renewalTime(runtime: Pick<Runtime, "random">, certificates: NodeCertificates): number {
  const part = earliest + ((latest - earliest) * runtime.random.below(1_001)) / 1_000;
  return Math.min(
    ...both(certificates).map((certificate) => {
      const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
      return from + (to - from) * part;
    }),
  );
}

/** Milliseconds since the epoch: when the first of the two expires. */
const expiry = (certificates: NodeCertificates): number =>
  Math.min(...both(certificates).map((certificate) => Date.parse(certificate.validTo)));
