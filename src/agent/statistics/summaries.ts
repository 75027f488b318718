import { controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { encodeSummary, type NodeSummary } from "#core/statistics/index.ts";
import type { KubeClient, KubeObject, Resource } from "#lib/kube/index.ts";
import { type Clock, type Duration, sleep } from "#lib/runtime/index.ts";

const summaries: Resource<KubeObject> = {
  group: controlplaneGroup,
  version: controlplaneVersion,
  plural: "nodestatssummaries",
  kind: "NodeStatsSummary",
  namespaced: false,
};

/** Gives a controller a summary and returns its answer. Throws when it takes none, or says nothing `within` that time. */
export async function postSummary(options: {
  readonly clock: Clock;
  readonly client: KubeClient;
  readonly summary: NodeSummary;
  readonly within: Duration;
  readonly signal: AbortSignal;
}): Promise<KubeObject> {
  const { clock, client, summary, within, signal } = options;
  const enough = new AbortController();
  const late = sleep(clock, within, AbortSignal.any([enough.signal, signal])).then(() => {
    throw new Error(`no answer within ${within / 1_000} s`);
  });
  try {
    return await Promise.race([client.create(summaries, encodeSummary(summary) as unknown as KubeObject), late]);
  } finally {
    // Not before the race is decided: it would end the race.
    late.catch(() => {});
    enough.abort();
  }
}
