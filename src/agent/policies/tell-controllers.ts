import {
  controlplaneApiVersion,
  controlplaneGroup,
  controlplaneKinds,
  controlplaneVersion,
  encodeTold,
  laterSession,
  type Told,
} from "#core/api/controlplane/index.ts";
import { isNotFound, KubeApiError, type KubeClient, type KubeObject, type Resource } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";

/** What a node says of the generation of a policy that it has. */
export interface Report {
  readonly generation: number;
  /** Of all of it: what a policy means may change without its generation. */
  readonly revision: string;
  /** Undefined: it is enforced as written. */
  readonly failure: string | undefined;
  /** The rows are right, and what the switch has cached is not known. */
  readonly doubt: string | undefined;
}

/** Bytes of a text that are told. */
const longestMessage = 512;
/** One that hangs does not hold up what the others are told. */
const answerWithin = seconds(5);
/** Policies in one request: some 30 kB. */
export const mostInOneRequest = 200;

const policies: Resource<KubeObject> = {
  group: controlplaneGroup,
  version: controlplaneVersion,
  plural: "networkpolicies",
  kind: controlplaneKinds.networkpolicies.kind,
  namespaced: false,
};

/**
 * POSTs reports of policies, by name, to each of `controllers`: in one request, as a NetworkPolicyStatusList under the node's name, or each for itself to those who take
 * nothing else. Rejects when one of them has not taken them; all may be told again.
 */
export async function tellControllers(options: {
  readonly runtime: Runtime;
  readonly controllers: readonly KubeClient[];
  readonly node: string;
  readonly reports: ReadonlyMap<string, Report>;
  readonly together: boolean;
  /** What of the cluster is proven to be in the switch, groups and their members included, as {@link encodeComputedRevisions} writes it. Told with what goes together. */
  readonly computed?: string | undefined;
  /** Growing from call to call. */
  readonly told: Told;
  /** A controller heard of a life of this agent that began then, by its clock, and later than this one says: it is refused until this one says that it began behind it. */
  readonly heardLater: (start: number) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { runtime, controllers, node, reports, together, computed, heardLater, signal } = options;
  const told = encodeTold(options.told);
  const items = [...reports].map(([name, report]) => statusOf(name, node, report));
  const requests = together
    ? [
        {
          apiVersion: controlplaneApiVersion,
          kind: "NetworkPolicyStatusList",
          metadata: { name: node },
          ...told,
          ...(computed !== undefined && { computed }),
          items,
        },
      ]
    : items.map((item) => ({ ...item, ...told }));
  const tell = async (controller: KubeClient): Promise<void> => {
    for (const status of requests)
      try {
        await controller.create(policies, status as KubeObject, { name: status.metadata.name, subresource: "status" });
      } catch (error) {
        const later = startOfLater(error);
        if (later !== undefined) heardLater(later);
        // It went in the meantime, or is not known there yet; else it is tried again.
        if (!isNotFound(error)) throw error;
        runtime.logger.debug("the controller has no such policy", { policy: status.metadata.name, error: errorMessage(error) });
      }
  };
  const answered = new AbortController();
  const late = sleep(runtime.clock, answerWithin, AbortSignal.any([answered.signal, signal]));
  late.catch(() => {});
  const inTime = (answer: Promise<void>): Promise<void> =>
    Promise.race([answer, late.then(() => Promise.reject(new Error(`no answer within ${answerWithin / 1_000} s`)))]);
  const outcomes = await Promise.allSettled(controllers.map((controller) => inTime(tell(controller))));
  answered.abort();
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** What the refusal says of a later life; undefined for every other failure. */
function startOfLater(error: unknown): number | undefined {
  const causes = error instanceof KubeApiError && error.httpStatus === 409 ? (error.status.details?.causes ?? []) : [];
  const start = Number(causes.find(({ reason }) => reason === laterSession)?.message);
  return Number.isSafeInteger(start) ? start : undefined;
}

const statusOf = (name: string, nodeName: string, { generation, revision, failure, doubt }: Report) => ({
  apiVersion: controlplaneApiVersion,
  kind: "NetworkPolicyStatus",
  metadata: { name },
  nodes: [
    {
      nodeName,
      generation,
      revision,
      ...(failure !== undefined && { realizationFailure: true, message: failure.slice(0, longestMessage) }),
      ...(failure === undefined && { proven: doubt === undefined }),
      ...(failure === undefined && doubt !== undefined && { message: doubt.slice(0, longestMessage) }),
    },
  ],
});
