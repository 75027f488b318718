import type { LocalPort } from "#core/pipeline/rows.ts";
import { isNotFound, type Pod } from "#lib/kube/index.ts";
import { errorMessage, orAborted, retryUntilDone, type Runtime } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { FlowPipeline } from "./flows/index.ts";

/**
 * Opens a new pod's port once its policies are in force. A pod that the API does not have has none, and stays closed until it has: it may be so new
 * that nobody has told us, or be gone again. With `admit`, a pod whose ADD does not wait any longer is opened all the same as soon as they
 * are; until then it has no network.
 */
export function openWhenJudged(options: {
  readonly runtime: Runtime;
  readonly flows: Pick<FlowPipeline, "podReady">;
  readonly pods: ReadTable<Pod>;
  readonly ports: ReadTable<LocalPort>;
  readonly findPod: (pod: { readonly namespace: string; readonly name: string }) => Promise<Pod>;
  readonly onTimeout: "fail" | "admit";
  /** The agent's own life. */
  readonly signal: AbortSignal;
}): (port: LocalPort, signal: AbortSignal) => Promise<void> {
  const { runtime, flows, pods, ports, findPod, onTimeout, signal } = options;
  const { logger } = runtime;

  /** Of a pod that the API does not have, the watch tells when it comes. An API that could not be asked is asked again: the watch may be as ill. */
  const find = async (wanted: { readonly namespace: string; readonly name: string }, giveUp: AbortSignal): Promise<Pod> => {
    const pod = `${wanted.namespace}/${wanted.name}`;
    const done = new AbortController();
    const signal = AbortSignal.any([giveUp, done.signal]);
    const appears = appearance(pods, pod, signal);
    const ask = (): Promise<Pod | undefined> =>
      findPod(wanted).catch((error: unknown) => (isNotFound(error) ? undefined : Promise.reject(error)));
    const asked = retryUntilDone(runtime, ask, {
      signal,
      onFailure: (error) =>
        logger.warn("the Kubernetes API could not be asked for a new pod, trying again", { pod, error: errorMessage(error) }),
    });
    try {
      return (await Promise.race([appears, asked])) ?? (await appears);
    } finally {
      done.abort();
    }
  };
  const open = async ({ podNamespace: namespace, podName: name, interfaceName }: LocalPort, giveUp: AbortSignal): Promise<void> => {
    // The newest version that we can know of: policies must have been computed for this pod, not for a former one of its name.
    const pod = pods.get(`${namespace}/${name}`) ?? (await find({ namespace, name }, giveUp));
    await flows.podReady({ namespace, name, interfaceName, resourceVersion: pod.metadata.resourceVersion, signal: giveUp });
  };

  return async (port, giveUp) => {
    const { podNamespace: namespace, podName: name, interfaceName } = port;
    if (onTimeout === "fail") return open(port, giveUp);
    const whilePortIsThere = lifeOf(ports, interfaceName, signal);
    const opened = open(port, whilePortIsThere);
    opened.catch((error: unknown) => {
      if (!whilePortIsThere.aborted) logger.error("a pod stays closed", { namespace, name, error: errorMessage(error) });
    });
    await orAborted(opened, giveUp);
  };
}

/** The pod, as soon as the API tells of it. Rejects with the signal's reason. */
function appearance(pods: ReadTable<Pod>, pod: string, giveUp: AbortSignal): Promise<Pod> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      unsubscribe();
      giveUp.removeEventListener("abort", refuse);
      settle();
    };
    const refuse = (): void => end(() => reject(giveUp.reason));
    const unsubscribe = pods.subscribe(({ key, after }) => {
      if (key === pod && after !== undefined) end(() => resolve(after));
    });
    giveUp.addEventListener("abort", refuse, { once: true });
    if (giveUp.aborted) refuse();
    const present = pods.get(pod);
    if (present !== undefined) end(() => resolve(present));
  });
}

/** Aborts when the port goes or the agent ends. */
function lifeOf(ports: ReadTable<LocalPort>, interfaceName: string, signal: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const unsubscribe = ports.subscribe(({ key, after }) => {
    if (key !== interfaceName || after !== undefined) return;
    unsubscribe();
    gone.abort();
  });
  return AbortSignal.any([gone.signal, signal]);
}
