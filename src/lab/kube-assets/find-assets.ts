import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { InvalidLabOption } from "../errors.ts";

/** The programs of Kubernetes that a lab can run instead of its own, by their usual file names. */
export const kubePrograms = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"] as const;

export type KubeProgram = (typeof kubePrograms)[number];

/** Absolute paths of the real binaries that `--kube-assets` brought. What is absent is the lab's own. */
export type KubeAssets = Readonly<Partial<Record<KubeProgram | "etcd", string>>>;

/**
 * Looks for the real binaries in `folder`, each on its own; `etcd`, which a kube-apiserver cannot do without, also in PATH. Throws
 * {@link InvalidLabOption} when there is none, or none that can run with the others.
 */
export function findKubeAssets(folder: string, path = process.env.PATH ?? ""): KubeAssets {
  const option = "--kube-assets";
  if (!isFolder(folder)) throw new InvalidLabOption(option, folder, "is no folder");
  const inFolder = (name: string): string | undefined => executable(resolve(folder, name));
  const found: Partial<Record<KubeProgram | "etcd", string>> = {};
  for (const name of kubePrograms) {
    const file = inFolder(name);
    if (file !== undefined) found[name] = file;
  }
  if (Object.keys(found).length === 0)
    throw new InvalidLabOption(option, folder, `holds none of ${kubePrograms.join(", ")} as an executable file`);
  if (found["kube-apiserver"] === undefined) {
    // They wait for kinds that the lab's own API does not have, before they do anything.
    const strangers = (["kube-controller-manager", "kube-scheduler"] as const).filter((name) => found[name] !== undefined);
    if (strangers.length > 0)
      throw new InvalidLabOption(option, folder, `${strangers.join(" and ")} can run with a kube-apiserver only: put one beside`);
    return found;
  }
  const etcd = inFolder("etcd") ?? path.split(delimiter).flatMap((entry) => executable(join(entry, "etcd")) ?? [])[0];
  if (etcd === undefined)
    throw new InvalidLabOption(option, folder, "kube-apiserver needs etcd: put one beside it, or install the package etcd-server");
  return { ...found, etcd };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function executable(file: string): string | undefined {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile() ? file : undefined;
  } catch {
    return undefined;
  }
}
