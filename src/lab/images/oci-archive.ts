import { createHash } from "node:crypto";
import { mkdtemp, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { ImageDefinition, ImageVariant } from "./definition.ts";
import { type TarEntry, writeTar } from "./tar.ts";

// The names and media types of the OCI image format and layout specifications, version 1.
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const configType = "application/vnd.oci.image.config.v1+json";
/** Not compressed: a lab's images never cross a network, and unpacking is part of its start. */
const layerType = "application/vnd.oci.image.layer.v1.tar";

/** Node's name of the machine's architecture → the one of image indexes. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

interface Blob {
  readonly digest: string;
  readonly size: number;
  readonly content: Uint8Array | { readonly from: string };
}

/** Writes `image` as an OCI layout in a tar archive at `path`, atomically. Equal definitions give equal bytes. */
export async function writeImageArchive(image: ImageDefinition, path: string): Promise<void> {
  const work = await mkdtemp(`${dirname(path)}/.${basename(path)}-`);
  try {
    const layer = await writeLayer(withParents(image.entries), `${work}/layer.tar`);
    const images = [image, ...(image.variants ?? [])].map((variant) => blobsOf(variant, { name: image.name, layer }));
    const index = { schemaVersion: 2, manifests: images.flatMap(({ entries }) => entries) };
    const archive = await open(`${work}/image.tar`, "w");
    try {
      await writeTar(archive, [
        { kind: "file", path: "oci-layout", content: json({ imageLayoutVersion: "1.0.0" }) },
        { kind: "file", path: "index.json", content: json(index) },
        ...[layer, ...images.flatMap(({ blobs }) => blobs)].map((blob) => blobEntry(blob)),
      ]);
    } finally {
      await archive.close();
    }
    await rename(`${work}/image.tar`, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The two documents of one image, and its entries in the archive's index: one per tag. */
function blobsOf(variant: ImageVariant, { name, layer }: { readonly name: string; readonly layer: Blob }) {
  const config = jsonBlob({
    architecture: architectures[process.arch] ?? process.arch,
    os: "linux",
    config: {
      Entrypoint: variant.config.entrypoint ?? null,
      Cmd: variant.config.command ?? null,
      Env: Object.entries({ PATH: defaultPath, ...variant.config.environment }).map(([key, value]) => `${key}=${value}`),
      WorkingDir: variant.config.workingDirectory ?? "/",
      Labels: variant.config.labels ?? { "antrea.io/lab-stand-in": name },
    },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor(configType, config),
    layers: [descriptor(layerType, layer)],
  });
  // containerd takes the whole reference from its own annotation; the standard one may hold the tag alone
  const entries = variant.tags.map((tag) => ({
    ...descriptor(manifestType, manifest),
    annotations: { "io.containerd.image.name": tag },
  }));
  return { blobs: [config, manifest], entries };
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

async function writeLayer(entries: readonly TarEntry[], path: string): Promise<Blob> {
  const hash = createHash("sha256");
  const output = await open(path, "w");
  try {
    await writeTar(output, entries, hash);
  } finally {
    await output.close();
  }
  return { digest: `sha256:${hash.digest("hex")}`, size: (await stat(path)).size, content: { from: path } };
}

/** Entries sorted by path, with a directory for every parent that is not listed itself. */
function withParents(entries: readonly TarEntry[]): TarEntry[] {
  const all = new Map<string, TarEntry>();
  for (const entry of entries) {
    const parts = entry.path.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      if (!all.has(path)) all.set(path, { kind: "directory", path });
    }
    all.set(entry.path, entry);
  }
  return [...all.keys()].sort().flatMap((path) => all.get(path) ?? []);
}

function jsonBlob(value: unknown): Blob {
  const content = json(value);
  return { digest: `sha256:${createHash("sha256").update(content).digest("hex")}`, size: content.length, content };
}

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

const descriptor = (mediaType: string, { digest, size }: Blob) => ({ mediaType, digest, size });

const blobEntry = ({ digest, content }: Blob): TarEntry => ({ kind: "file", path: `blobs/${digest.replace(":", "/")}`, content });
