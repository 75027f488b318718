import { agentInfos, controllerInfoName, controllerInfos } from "#core/api/component-info.ts";
import { apiVersionOf, isAlreadyExists, isNotFound, type KubeClient, type KubeObject, type LeaseHold, type Node } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";

/** From one heartbeat to the next, as antrea (Go) has it. */
const heartbeat = seconds(60);

/** What is kept of a Node here: that it is there. */
export function nodeName({ kind, apiVersion, metadata: { name, uid, resourceVersion } }: Node): Node {
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(apiVersion === undefined ? {} : { apiVersion }),
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  } as Node;
}

/**
 * Makes an AntreaAgentInfo for each machine that an agent may run on, deletes those of machines that are gone, and keeps the AntreaControllerInfo current: when a
 * machine comes or goes, and each minute. Where the kinds are not installed it says so once.
 */
export function keepComponentInfos(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  /** Only its holder writes. */
  readonly lease: Pick<LeaseHold, "held" | "onGained">;
  /** The machines, by their names: Nodes, and ExternalNodes where policies know them. */
  readonly machines: readonly ReadTable<KubeObject>[];
  /** The controller's own fields, as they are now. */
  readonly describe: () => object;
  readonly signal: AbortSignal;
}): void {
  const { runtime, client, lease, machines, describe, signal } = options;
  let wake: () => void = () => {};
  let told: string | undefined;
  const names = (): Set<string> => new Set(machines.flatMap((table) => [...table.rows()].flatMap(({ metadata }) => metadata.name ?? [])));

  const followMachines = async (): Promise<void> => {
    const wanted = names();
    const present = new Set((await client.list(agentInfos)).items.flatMap(({ metadata }) => metadata.name ?? []));
    for (const name of wanted)
      if (!present.has(name))
        await client
          .create(agentInfos, { apiVersion: apiVersionOf(agentInfos), kind: agentInfos.kind, metadata: { name } })
          .catch(unless(isAlreadyExists));
    for (const name of present) if (!wanted.has(name)) await client.delete(agentInfos, { name }).catch(unless(isNotFound));
  };
  const reportSelf = async (): Promise<void> => {
    const fields = describe();
    try {
      await client.patch(controllerInfos, { name: controllerInfoName }, fields);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const metadata = { name: controllerInfoName };
      await client.create(controllerInfos, { apiVersion: apiVersionOf(controllerInfos), kind: controllerInfos.kind, metadata, ...fields });
    }
  };
  const run = async (): Promise<void> => {
    await Promise.all(machines.map((table) => table.whenSynced()));
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      try {
        if (lease.held) {
          await followMachines();
          await reportSelf();
        }
        told = undefined;
      } catch (error) {
        const reason = errorMessage(error);
        if (told !== reason) runtime.logger.warn("cannot keep AntreaAgentInfos and AntreaControllerInfo", { error: reason });
        told = reason;
      }
      await Promise.race([woken, sleep(runtime.clock, heartbeat, signal).catch(() => {})]);
    }
  };
  const subscriptions = machines.map((table) =>
    table.subscribe(({ before, after }) => {
      if (before === undefined || after === undefined) wake();
    }),
  );
  lease.onGained(() => wake());
  for (const unsubscribe of subscriptions) signal.addEventListener("abort", unsubscribe, { once: true });
  void run();
}

const unless =
  (expected: (error: unknown) => boolean) =>
  (error: unknown): void => {
    if (!expected(error)) throw error;
  };
