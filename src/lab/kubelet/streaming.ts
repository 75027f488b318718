import type { CriClient } from "#lib/cri/index.ts";
import { RequestRefused } from "./errors.ts";
import { type ObservedContainer, type ObservedPod, observePod } from "./observe.ts";
import type { KubeletPod } from "./pod.ts";

/** What a path of the kubelet's API names. */
export interface PathTarget {
  readonly verb: string;
  readonly namespace: string;
  readonly pod: string;
  readonly uid?: string;
  readonly container?: string;
}

/** Reads `/verb/namespace/pod[/uid][/container]`; port-forward has no container. Throws {@link RequestRefused}. */
export function parsePath(path: string): PathTarget {
  const [, verb = "", namespace, pod, ...rest] = path.split("/").map(decodeURIComponent);
  if (namespace === undefined || pod === undefined) throw new RequestRefused(404, `${path}: expected /${verb}/NAMESPACE/POD`);
  if (verb === "portForward") return { verb, namespace, pod, ...(rest[0] === undefined ? {} : { uid: rest[0] }) };
  const container = rest.at(-1);
  if (container === undefined || rest.length > 2) throw new RequestRefused(404, `${path}: expected /${verb}/NAMESPACE/POD/CONTAINER`);
  return { verb, namespace, pod, container, ...(rest.length === 2 ? { uid: rest[0] ?? "" } : {}) };
}

interface Sources {
  readonly cri: CriClient;
  readonly pods: () => readonly KubeletPod[];
}

/** Where the runtime's streaming server waits for this exec, attach or port-forward. */
export async function streamingUrl(sources: Sources, target: PathTarget, query: URLSearchParams): Promise<URL> {
  const { cri } = sources;
  const observed = await observedOf(sources, target);
  const flag = (...names: string[]): boolean => names.some((name) => ["1", "true"].includes(query.get(name) ?? ""));
  if (target.verb === "portForward") {
    const sandbox = observed.sandboxes.find(({ ready }) => ready);
    if (sandbox === undefined) throw new RequestRefused(404, `pod ${target.namespace}/${target.pod} is not running`);
    const port = query.getAll("port").flatMap((text) => text.split(",").map(Number));
    return new URL((await cri.portForward({ podSandboxId: sandbox.id, port })).url);
  }
  const container = currentRun(observed, target.container ?? "");
  if (container?.state !== "running")
    throw new RequestRefused(container === undefined ? 404 : 400, `container ${target.container} of pod ${target.pod} is not running`);
  const tty = flag("tty");
  const streams = {
    containerId: container.id,
    tty,
    stdin: flag("input", "stdin"),
    stdout: flag("output", "stdout"),
    // a terminal has one output
    stderr: !tty && flag("error", "stderr"),
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr)
    throw new RequestRefused(400, "you must specify at least 1 of stdin, stdout, stderr");
  if (target.verb === "attach") return new URL((await cri.attach(streams)).url);
  if (target.verb !== "exec") throw new RequestRefused(404, `/${target.verb} takes no upgraded connection`);
  const cmd = query.getAll("command");
  if (cmd.length === 0) throw new RequestRefused(400, "command: give at least one word");
  return new URL((await cri.exec({ ...streams, cmd })).url);
}

/** What the runtime has of the pod that the path names. */
export async function observedOf({ cri, pods }: Sources, target: PathTarget): Promise<ObservedPod> {
  const pod = pods().find(
    ({ metadata }) =>
      metadata.namespace === target.namespace && metadata.name === target.pod && (target.uid === undefined || metadata.uid === target.uid),
  );
  if (pod === undefined) throw new RequestRefused(404, `pod ${target.namespace}/${target.pod} is not on this node`);
  return observePod(cri, pod.metadata.uid ?? "");
}

export const currentRun = ({ containers }: ObservedPod, name: string): ObservedContainer | undefined =>
  containers.find((container) => container.name === name);
