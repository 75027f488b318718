import type { LocalPort } from "#core/pipeline/rows.ts";
import type { Pod } from "#lib/kube/index.ts";
import type { Logger } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { FlowPipeline } from "./flows/index.ts";

/**
 * Closes the ports of a pod whose object is gone while its containers still run, as after `kubectl delete --force`: the controller's policies
 * list it no more, so without this it would be open to everybody until its last process ends. Connections that it has go on.
 */
export function closeDeleted({
  pods,
  ports,
  flows,
  logger,
}: {
  /** Pods of this node. */
  readonly pods: ReadTable<Pod>;
  readonly ports: ReadTable<LocalPort>;
  readonly flows: Pick<FlowPipeline, "closePod">;
  readonly logger: Logger;
}): void {
  pods.subscribe(({ before, after }) => {
    // A pod that was deleted and made again under its name between two looks has another UID; its port is a new one.
    if (before === undefined || before.metadata.uid === after?.metadata.uid) return;
    const { namespace, name } = before.metadata;
    for (const port of ports.rows()) {
      if (port.podNamespace !== namespace || port.podName !== name) continue;
      logger.info("the pod is deleted and still runs: closed to new connections", { namespace, name, interface: port.interfaceName });
      flows.closePod(port.interfaceName);
    }
  });
}
