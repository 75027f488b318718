import { agentInfos } from "#core/api/component-info.ts";
import { isNotFound, type KubeClient } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";

/** From one heartbeat to the next, as antrea (Go) has it. */
const heartbeat = seconds(60);
/** The controller makes the object when it sees the Node; until then it is asked for this often. */
const whileAbsent = seconds(5);

/** Keeps the AntreaAgentInfo of this node current: a heartbeat each minute. The controller makes and deletes the object, the agent only writes into it. */
export function reportAgentInfo(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly node: string;
  /** The fields, as they are now. */
  readonly describe: () => Promise<object>;
  readonly signal: AbortSignal;
}): void {
  const { runtime, client, node, describe, signal } = options;
  let told: string | undefined;
  const report = async (): Promise<void> => {
    while (!signal.aborted) {
      let pause = heartbeat;
      try {
        await client.patch(agentInfos, { name: node }, await describe());
        told = undefined;
      } catch (error) {
        if (isNotFound(error)) pause = whileAbsent;
        const reason = errorMessage(error);
        if (told !== reason) runtime.logger.warn("cannot report to AntreaAgentInfo", { node, error: reason });
        told = reason;
      }
      await sleep(runtime.clock, pause, signal).catch(() => {});
    }
  };
  void report();
}
