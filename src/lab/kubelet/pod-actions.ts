import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type CriClient, CriError } from "#lib/cri/index.ts";
import type { KubeClient } from "#lib/kube/client.ts";
import type { Service } from "#lib/kube/kinds.ts";
import { minutes } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { ReadTable } from "#lib/table/table.ts";
import type { KubeletConfig } from "./config.ts";
import { containerConfig, type Mount } from "./container-config.ts";
import { formatLogEntry, parseLogLine } from "./container-log.ts";
import { environmentOf, expand } from "./environment.ts";
import { ContainerBlocked, PodBlocked } from "./errors.ts";
import { type EventRecorder, podTarget } from "./events.ts";
import { hostsFile } from "./hosts-file.ts";
import { findImage } from "./images.ts";
import { runHook } from "./lifecycle-hook.ts";
import type { ObservedContainer, ObservedSandbox } from "./observe.ts";
import { podPaths } from "./paths.ts";
import type { ContainerStart } from "./plan.ts";
import { identityOf, type KubeletContainer, type KubeletPod } from "./pod.ts";
import { referencedData } from "./referenced-data.ts";
import { sandboxConfig } from "./sandbox-config.ts";
import { serviceLinks } from "./service-links.ts";
import { inside, type RequestToken, realizeVolumes } from "./volumes.ts";

export interface ActionContext {
  readonly runtime: Pick<Runtime, "clock">;
  readonly config: KubeletConfig;
  readonly cri: CriClient;
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly requestToken: RequestToken;
  readonly services: Pick<ReadTable<Service>, "get" | "rows">;
  readonly memoryCapacity: number;
}

/** Makes a sandbox; CNI runs within. Throws {@link PodBlocked} after having written the event. */
export async function createSandbox(context: ActionContext, pod: KubeletPod, attempt: number): Promise<void> {
  try {
    const config = await sandboxConfig(context.config, pod, attempt);
    await mkdir(podPaths(context.config, identityOf(pod)).logs, { recursive: true });
    await context.cri.runPodSandbox({ config });
  } catch (error) {
    throw new PodBlocked("FailedCreatePodSandBox", `Failed to create pod sandbox: ${runtimeMessage(error)}`, { cause: error });
  }
}

/** Brings the pod's volumes up to date. Throws {@link PodBlocked}. */
export async function refreshVolumes(
  context: ActionContext,
  pod: KubeletPod,
  podIps: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const fields = { config: context.config, pod, podIps };
  const data = referencedData(context.client, pod.metadata.namespace ?? "");
  return realizeVolumes(pod, { fields, data, requestToken: context.requestToken });
}

/** Makes and starts one run of a container. Throws {@link ContainerBlocked} when something it needs is missing or the runtime refuses. */
export async function startContainer(
  context: ActionContext,
  pod: KubeletPod,
  sandbox: ObservedSandbox,
  { container, attempt }: ContainerStart,
  volumes: ReadonlyMap<string, string>,
): Promise<void> {
  const { config, cri, events, runtime } = context;
  const target = podTarget(pod, container.name);
  const podIps = podIpsOf(config, pod, sandbox);
  const imageId = await findImage(cri, container);
  events.normal(target, "Pulled", `Container image ${JSON.stringify(container.image)} already present on machine`);
  const fields = { config, pod, podIps };
  const links = serviceLinks(pod, context.services);
  const environment = await environmentOf(container, fields, referencedData(context.client, pod.metadata.namespace ?? ""), links);
  const paths = podPaths(config, identityOf(pod));
  await mkdir(paths.containerLogs(container.name), { recursive: true });
  const mounts = await mountsOf({ config, pod, container, attempt, podIps, volumes, environment });
  const { memoryCapacity } = context;
  let started = "";
  try {
    const { containerId } = await cri.createContainer({
      podSandboxId: sandbox.id,
      config: containerConfig({ config, pod, container, attempt, imageId, environment, mounts, memoryCapacity }),
      sandboxConfig: await sandboxConfig(config, pod, sandbox.attempt),
    });
    events.normal(target, "Created", `Created container: ${container.name}`);
    await cri.startContainer({ containerId });
    events.normal(target, "Started", `Started container ${container.name}`);
    started = containerId;
  } catch (error) {
    throw new ContainerBlocked("RunContainerError", runtimeMessage(error));
  }
  const hook = container.lifecycle?.postStart;
  if (hook === undefined) return;
  const hookTarget = { container, containerId: started, address: podIps[0] ?? "" };
  const failure = await runHook({ clock: runtime.clock, cri, hook, target: hookTarget, limit: postStartLimit });
  if (failure === undefined) return;
  events.warning(target, "FailedPostStartHook", `PostStartHook failed: ${failure}`);
  await cri.stopContainer({ containerId: started, timeout: BigInt(pod.spec.terminationGracePeriodSeconds ?? 30) });
}

/** A hook that hangs must not keep the pod from being looked at for ever. The stock kubelet knows no limit; hooks that suites know take seconds. */
const postStartLimit = minutes(5);

export const podIpsOf = (config: KubeletConfig, pod: KubeletPod, sandbox: ObservedSandbox | undefined): readonly string[] =>
  pod.spec.hostNetwork === true ? config.nodeAddresses : (sandbox?.ips ?? []);

const defaultTerminationMessagePath = "/dev/termination-log";
/** Bytes of a termination message that are read (core/v1 Container.terminationMessagePath). */
const maxTerminationMessage = 4_096;

/** Bytes and lines of a log that stand in for them. */
const maxLogWords = { bytes: 2_048, lines: 80 };

/** What an ended container wrote as its last words; the end of its log, where it failed without and its policy is `FallbackToLogsOnError`. */
export async function terminationMessage(config: KubeletConfig, pod: KubeletPod, ended: ObservedContainer): Promise<string> {
  const { name, attempt, exitCode } = ended;
  const paths = podPaths(config, identityOf(pod));
  const read = (file: string): Promise<string> => readFile(file, "utf8").catch(() => "");
  const words = (await read(paths.terminationMessage(name, attempt))).slice(0, maxTerminationMessage);
  const container = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((found) => found.name === name);
  if (words !== "" || exitCode === 0 || container?.terminationMessagePolicy !== "FallbackToLogsOnError") return words;
  const lines = (await tailOf(join(paths.logs, paths.logPath(name, attempt)))).split("\n").slice(-maxLogWords.lines - 1);
  const text = lines.flatMap((line) => parseLogLine(line) ?? []).map((entry) => formatLogEntry(entry, { timestamps: false }));
  return text.join("").slice(-maxLogWords.bytes);
}

/** The end of a log, long enough for {@link maxLogWords}: a file may be larger than memory. */
async function tailOf(file: string): Promise<string> {
  const length = 64 * 1024;
  try {
    await using log = await open(file);
    const { size } = await log.stat();
    const { buffer, bytesRead } = await log.read(Buffer.alloc(length), 0, length, Math.max(0, size - length));
    return buffer.toString("utf8", 0, bytesRead);
  } catch {
    return "";
  }
}

/** Throws {@link ContainerBlocked}: the other containers of the pod may do without. */
function belowVolume(place: string, subPath: string): string {
  try {
    return inside(place, subPath);
  } catch (error) {
    throw new ContainerBlocked("CreateContainerConfigError", errorMessage(error));
  }
}

/** The path with the values of its variables. One that names a variable which is not there can't be mounted. */
function subPathOf(expression: string, environment: ReadonlyMap<string, string>): string {
  const path = expand(expression, environment);
  if (/\$\([^()]*\)/.test(path))
    throw new ContainerBlocked("CreateContainerConfigError", `subPathExpr ${JSON.stringify(expression)}: a variable is not set`);
  return path;
}

interface MountSetting {
  readonly environment: ReadonlyMap<string, string>;
  readonly config: KubeletConfig;
  readonly pod: KubeletPod;
  readonly container: KubeletContainer;
  readonly attempt: number;
  readonly podIps: readonly string[];
  readonly volumes: ReadonlyMap<string, string>;
}

async function mountsOf({ config, pod, container, attempt, podIps, volumes, environment }: MountSetting): Promise<Mount[]> {
  const paths = podPaths(config, identityOf(pod));
  const mounts: Mount[] = [];
  for (const { name, mountPath, readOnly = false, subPath: fixed, subPathExpr } of container.volumeMounts ?? []) {
    const subPath = subPathExpr === undefined ? fixed : subPathOf(subPathExpr, environment);
    const place = volumes.get(name);
    if (place === undefined)
      throw new ContainerBlocked("CreateContainerConfigError", `volume ${JSON.stringify(name)} is not in the pod's spec`);
    const hostPath = subPath === undefined || subPath === "" ? place : belowVolume(place, subPath);
    if (hostPath !== place) await mkdir(hostPath, { recursive: true }).catch(() => undefined);
    mounts.push({ containerPath: mountPath, hostPath, readonly: readOnly });
  }
  const taken = new Set(mounts.map(({ containerPath }) => containerPath));
  await mkdir(paths.root, { recursive: true });
  await writeFile(paths.hosts, await hostsFile(config, pod, podIps));
  const message = paths.terminationMessage(container.name, attempt);
  await mkdir(dirname(message), { recursive: true });
  await writeFile(message, "", { mode: 0o666 });
  const own: Mount[] = [
    { containerPath: "/etc/hosts", hostPath: paths.hosts },
    { containerPath: container.terminationMessagePath ?? defaultTerminationMessagePath, hostPath: message },
  ];
  return [...mounts, ...own.filter(({ containerPath }) => !taken.has(containerPath ?? ""))];
}

/** What the runtime said, in the words that users of Kubernetes know. */
function runtimeMessage(error: unknown): string {
  return error instanceof CriError ? `rpc error: code = ${error.status} desc = ${error.details}` : errorMessage(error);
}

export const logFolderOf = (config: KubeletConfig, uid: string, names: readonly string[]): string[] =>
  names.filter((name) => name.endsWith(`_${uid}`)).map((name) => join(config.podLogsDir, name));
