import { controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import { type Clock, type Duration, seconds, sleep } from "#lib/runtime/index.ts";
import { createChangeLog } from "./change-log.ts";
import { encodeKnowledge, type NodeKnowledge, nodeReportKind } from "./node-report.ts";

/** Query parameters of a list: who asks, and the version of the last answer that it has taken in. */
export const askedBy = "replica";
export const heardUpTo = "after";
/** Asks to be answered at once. */
export const atOnce = "now";

/** What is known of a policy on a node, or, without a policy, that the node was heard. */
export interface Part {
  readonly node: string;
  readonly policy: string | undefined;
}

/** What this replica knows of nodes, for the others: each asks for what is new, and by asking says that it has what came before. */
export interface Offer {
  readonly definition: ResourceDefinition;
  /** Something else is known of it. */
  changed(part: Part): void;
  /** Resolves when every replica that may tell what it knows has all that is known now. */
  whenShared(): Promise<void>;
}

/** A question with nothing new is answered after this, so that both know that the other is there. */
const longestHold = seconds(1);
/** Many reports come at nearly the same time: they are told together, unless somebody waits for it. */
const gather = seconds(1);
/**
 * For so long from its question on, a replica that was answered tells what it knows without asking again. The one that answered tells nothing meanwhile that the other
 * has not got: longer than a question is held, and no longer than who asks for statistics waits when a replica hangs.
 */
export const currentFor: Duration = seconds(3);
/** Parts of nodes in one answer: at some hundred bytes each. */
const mostParts = 20_000;

interface Follower {
  /** It has everything up to this. */
  has: number;
  /** When the question came that was answered last. */
  answered: number;
}

export function createOffer(options: {
  readonly clock: Clock;
  /** Names this run of this replica. */
  readonly origin: string;
  readonly knowledge: (node: string, policies: readonly string[]) => Omit<NodeKnowledge, "heard">;
}): Offer {
  const { clock, origin, knowledge } = options;
  const log = createChangeLog<string>();
  const followers = new Map<string, Follower>();
  const progress = new Set<() => void>();
  /** Somebody waits for this much to be known everywhere. */
  let urgentUpTo = 0;
  const tell = (): void => {
    for (const listener of [...progress]) listener();
  };
  log.onChange(tell);

  /** Resolves at the next change of anything, or after a while. */
  const next = async (limit: number, signal: AbortSignal): Promise<void> => {
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    progress.add(wake);
    await sleep(clock, limit, AbortSignal.any([woken.signal, signal])).catch(() => {});
    progress.delete(wake);
  };
  const itemsAfter = (number: number): { readonly items: readonly KubeObject[]; readonly upTo: number } => {
    const nodes = new Map<string, { heard: boolean; readonly policies: string[] }>();
    let upTo = number;
    let parts = 0;
    for (const { thing, number: at } of log.after(number)) {
      if (++parts > mostParts) break;
      const { node, policy } = partOf(thing);
      const known = nodes.get(node) ?? { heard: false, policies: [] };
      if (policy === undefined) known.heard = true;
      else known.policies.push(policy);
      nodes.set(node, known);
      upTo = at;
    }
    // What is left may be of nodes that would be taken for known: they are told as heard behind it.
    if (parts > mostParts)
      for (const [node, known] of nodes)
        if (known.heard) {
          known.heard = false;
          log.note(thingOf(node, undefined));
        }
    const items = [...nodes].map(
      ([node, { heard, policies }]) => encodeKnowledge({ ...knowledge(node, policies), heard }) as unknown as KubeObject,
    );
    return { items, upTo };
  };
  const forgetGone = (): void => {
    for (const [name, { answered }] of followers) if (clock.monotonic() - answered > currentFor) followers.delete(name);
  };
  const answer = async (parameters: URLSearchParams, signal: AbortSignal) => {
    const who = parameters.get(askedBy) ?? "";
    const [number = "", run] = (parameters.get(heardUpTo) ?? "").split(".", 2);
    // What was heard of another run of this replica says nothing of this one.
    const isFirst = run !== origin;
    const has = !isFirst && /^\d{1,15}$/.test(number) ? Math.min(Number(number), log.latest) : 0;
    const began = clock.monotonic();
    forgetGone();
    const follower = followers.get(who) ?? { has: 0, answered: Number.NEGATIVE_INFINITY };
    follower.has = Math.max(follower.has, has);
    if (!isFirst) tell();
    const due = (): boolean =>
      isFirst ||
      parameters.has(atOnce) ||
      urgentUpTo > has ||
      log.latest - has >= mostParts ||
      (log.latest > has && clock.monotonic() - began >= gather);
    while (!due() && !signal.aborted) {
      const left = began + (log.latest > has ? gather : longestHold) - clock.monotonic();
      if (left <= 0) break;
      await next(left, signal);
    }
    if (who !== "" && !signal.aborted) {
      follower.answered = Math.max(follower.answered, began);
      followers.set(who, follower);
    }
    return itemsAfter(has);
  };

  return {
    changed: ({ node, policy }) => log.note(thingOf(node, policy)),
    async whenShared() {
      const wanted = log.latest;
      urgentUpTo = Math.max(urgentUpTo, wanted);
      tell();
      for (;;) {
        forgetGone();
        const behind = [...followers.values()].filter(({ has }) => has < wanted);
        if (behind.length === 0) return;
        const left = Math.max(...behind.map(({ answered }) => answered)) + currentFor - clock.monotonic();
        await next(Math.max(left, 0) + 1, never);
      }
    },
    definition: defineResource<KubeObject>({
      group: controlplaneGroup,
      version: controlplaneVersion,
      resource: "nodereports",
      singular: "nodereport",
      kind: nodeReportKind,
      listKind: `${nodeReportKind}List`,
      namespaced: false,
      verbs: ["list"],
      schema: {
        ...kindSchema({
          id: `io.antrea.controlplane.v1beta2.${nodeReportKind}`,
          group: controlplaneGroup,
          version: controlplaneVersion,
          kind: nodeReportKind,
          description: "What a controller knows of a node: for the other controllers.",
          fields: {},
        }),
        "x-kubernetes-preserve-unknown-fields": true,
      },
      store: {
        async list(_, { parameters, signal }) {
          const { items, upTo } = await answer(parameters, signal);
          return { resourceVersion: `${upTo}.${origin}`, items };
        },
      },
    }),
  };
}

const never = new AbortController().signal;
const thingOf = (node: string, policy: string | undefined): string => (policy === undefined ? node : `${node} ${policy}`);
function partOf(thing: string): Part {
  const [node = "", policy] = thing.split(" ", 2);
  return { node, policy };
}
