import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { ReferencedData } from "./environment.ts";
import { PodBlocked } from "./errors.ts";
import { type FieldSource, fieldValue } from "./field-ref.ts";
import { mountMemory } from "./memory-volume.ts";
import { podPaths } from "./paths.ts";
import {
  type DownwardItem,
  identityOf,
  type KeyToPath,
  type KubeletPod,
  type ObjectVolume,
  type ProjectedSource,
  type Volume,
} from "./pod.ts";
import { resourceValue } from "./resource-ref.ts";

/** Makes a token of the pod's service account. Times are seconds. */
export type RequestToken = (request: {
  readonly pod: KubeletPod;
  readonly audience?: string | undefined;
  readonly expirationSeconds: number;
}) => Promise<string>;

export interface VolumeSources {
  readonly fields: FieldSource;
  readonly data: ReferencedData;
  readonly requestToken: RequestToken;
}

const defaultFileMode = 0o644;
/** What a token lives when the pod does not say (core/v1 ServiceAccountTokenProjection). */
const defaultTokenSeconds = 3_600;

/** Kinds of volumes that this kubelet has. */
const supported = ["emptyDir", "hostPath", "configMap", "secret", "downwardAPI", "projected"] as const;

/** The kind of a volume that this kubelet does not have, or undefined. */
export function unsupportedKind(volume: Volume): string | undefined {
  return supported.some((kind) => kind in volume) ? undefined : (Object.keys(volume).find((key) => key !== "name") ?? "nothing");
}

/** Puts every volume of the pod on disk, or brings what the API changed up to date. Returns the folder or file of each by name. */
export async function realizeVolumes(pod: KubeletPod, sources: VolumeSources): Promise<ReadonlyMap<string, string>> {
  const places = new Map<string, string>();
  for (const volume of pod.spec.volumes ?? []) {
    try {
      places.set(volume.name, await realizeVolume(pod, volume, sources));
    } catch (error) {
      throw new PodBlocked("FailedMount", `MountVolume.SetUp failed for volume ${JSON.stringify(volume.name)} : ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }
  return places;
}

async function realizeVolume(pod: KubeletPod, volume: Volume, sources: VolumeSources): Promise<string> {
  const kind = unsupportedKind(volume);
  if (kind !== undefined)
    throw new PodBlocked("FailedMount", `volumes of kind ${kind} are not there yet in the lab: use ${supported.join(", ")}`);
  if (volume.hostPath !== undefined) return hostPath(volume.hostPath);
  const folder = podPaths(sources.fields.config, identityOf(pod)).volume(volume.name);
  await mkdir(folder, { recursive: true });
  if (volume.emptyDir?.medium === "Memory") await mountMemory(folder, volume.emptyDir.sizeLimit);
  const group = pod.spec.securityContext?.fsGroup;
  if (volume.emptyDir !== undefined) {
    if (group !== undefined) await chown(folder, 0, group);
    await chmod(folder, group === undefined ? 0o777 : 0o2777);
  } else {
    const mode =
      volume.projected?.defaultMode ?? volume.configMap?.defaultMode ?? volume.secret?.defaultMode ?? volume.downwardAPI?.defaultMode;
    await writeFiles(folder, { files: await filesOf(pod, asProjection(volume), sources, mode ?? defaultFileMode), group });
  }
  return folder;
}

/** Every kind of volume made of files is a projection of one source. */
function asProjection({ configMap, secret, downwardAPI, projected }: Volume): readonly ProjectedSource[] {
  if (projected !== undefined) return projected.sources ?? [];
  if (configMap !== undefined) return [{ configMap }];
  if (secret !== undefined) return [{ secret: { ...secret, name: secret.secretName } }];
  return downwardAPI === undefined ? [] : [{ downwardAPI }];
}

interface VolumeFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

async function filesOf(
  pod: KubeletPod,
  projections: readonly ProjectedSource[],
  sources: VolumeSources,
  mode: number,
): Promise<VolumeFile[]> {
  const files: VolumeFile[] = [];
  for (const { configMap, secret, serviceAccountToken, downwardAPI } of projections) {
    if (configMap !== undefined) files.push(...select("configmap", configMap, await sources.data.configMap(configMap.name), mode));
    if (secret !== undefined) files.push(...select("secret", secret, await sources.data.secret(secret.name), mode));
    if (downwardAPI !== undefined) files.push(...(downwardAPI.items ?? []).map((item) => downwardFile(item, sources.fields, mode)));
    if (serviceAccountToken !== undefined) {
      const { path, audience, expirationSeconds = defaultTokenSeconds } = serviceAccountToken;
      const content = Buffer.from(await sources.requestToken({ pod, audience, expirationSeconds }));
      files.push({ path, mode, content });
    }
  }
  return files;
}

function select(
  kind: string,
  volume: ObjectVolume & { readonly name: string },
  data: ReadonlyMap<string, Buffer> | undefined,
  mode: number,
): VolumeFile[] {
  if (data === undefined) {
    if (volume.optional === true) return [];
    throw new PodBlocked("FailedMount", `${kind} ${JSON.stringify(volume.name)} not found`);
  }
  const items: readonly KeyToPath[] = volume.items ?? [...data.keys()].map((key) => ({ key, path: key }));
  return items.flatMap((item) => {
    const content = data.get(item.key);
    if (content !== undefined) return { path: item.path, mode: item.mode ?? mode, content };
    if (volume.optional === true) return [];
    throw new PodBlocked("FailedMount", `${kind} ${JSON.stringify(volume.name)} has no key ${JSON.stringify(item.key)}`);
  });
}

function downwardFile({ path, mode: own, fieldRef, resourceFieldRef }: DownwardItem, fields: FieldSource, mode: number): VolumeFile {
  const ofField = fieldRef === undefined ? undefined : fieldValue(fields, fieldRef.fieldPath);
  const value = resourceFieldRef === undefined ? ofField : resourceValue(fields.pod, resourceFieldRef);
  if (value === undefined)
    throw new PodBlocked(
      "FailedMount",
      `downward API file ${path}: ${(fieldRef?.fieldPath ?? resourceFieldRef?.resource) || "nothing"} is not there`,
    );
  return { path, mode: own ?? mode, content: Buffer.from(value) };
}

/** Each file changes atomically by renaming; files that are no longer there go. A `group` owns them and may read them (`fsGroup`). */
async function writeFiles(
  folder: string,
  { files, group }: { readonly files: readonly VolumeFile[]; readonly group: number | undefined },
): Promise<void> {
  for (const { path, mode: wantedMode, content } of files) {
    const place = inside(folder, path);
    const mode = group === undefined ? wantedMode : wantedMode | 0o440;
    if (await holds(place, content)) continue;
    await mkdir(dirname(place), { recursive: true });
    const fresh = `${place}.new`;
    await writeFile(fresh, content, { mode });
    if (group !== undefined) await chown(fresh, 0, group);
    await chmod(fresh, mode);
    await rename(fresh, place);
  }
  const wanted = new Set(files.map(({ path }) => path.split("/")[0]));
  for (const name of await readdir(folder)) if (!wanted.has(name)) await rm(join(folder, name), { recursive: true });
}

/** `path` below `folder`; refuses to leave it. */
export function inside(folder: string, path: string): string {
  if (path.startsWith("/") || path.split("/").includes(".."))
    throw new PodBlocked("FailedMount", `path ${JSON.stringify(path)} leaves its volume: use a relative path without ".."`);
  return join(folder, path);
}

async function holds(place: string, content: Buffer): Promise<boolean> {
  return readFile(place).then(
    (found) => found.equals(content),
    () => false,
  );
}

async function hostPath({ path, type = "" }: NonNullable<Volume["hostPath"]>): Promise<string> {
  if (type === "DirectoryOrCreate") await mkdir(path, { recursive: true });
  if (type === "FileOrCreate") await writeFile(path, "", { flag: "a" });
  const found = await stat(path).catch(() => undefined);
  const right =
    type === "" ||
    (found !== undefined &&
      ((type.startsWith("Directory") && found.isDirectory()) ||
        (type.startsWith("File") && found.isFile()) ||
        (type === "Socket" && found.isSocket()) ||
        (type === "CharDevice" && found.isCharacterDevice()) ||
        (type === "BlockDevice" && found.isBlockDevice())));
  if (!right) throw new PodBlocked("FailedMount", `hostPath type check failed: ${path} is not a ${type}`);
  return path;
}
