import { join } from "node:path";
import type { PodIdentity } from "./pod.ts";

/** Where the files of pods are, laid out as a stock kubelet does below its root and log folders. */
export interface PodPaths {
  readonly root: string;
  readonly volume: (name: string) => string;
  readonly hosts: string;
  /** The file behind `terminationMessagePath` of one run of a container. */
  readonly terminationMessage: (container: string, attempt: number) => string;
  readonly logs: string;
  readonly containerLogs: (container: string) => string;
  /** Relative to {@link logs}, as CRI takes it. */
  readonly logPath: (container: string, attempt: number) => string;
}

export function podPaths(folders: { readonly rootDir: string; readonly podLogsDir: string }, pod: PodIdentity): PodPaths {
  const root = podFolder(folders.rootDir, pod.uid);
  const logs = join(folders.podLogsDir, `${pod.namespace}_${pod.name}_${pod.uid}`);
  return {
    root,
    volume: (name) => join(root, "volumes", name),
    hosts: join(root, "etc-hosts"),
    terminationMessage: (container, attempt) => join(root, "containers", container, String(attempt)),
    logs,
    containerLogs: (container) => join(logs, container),
    logPath: (container, attempt) => `${container}/${attempt}.log`,
  };
}

export const podFolder = (rootDir: string, uid: string): string => join(rootDir, "pods", uid);
