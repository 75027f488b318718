import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import type { Hash } from "node:crypto";

/** One entry of an archive. Times are 0 and owners root, so that equal contents give equal bytes. */
export type TarEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode?: number }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | { readonly kind: "file"; readonly path: string; readonly mode?: number; readonly content: Uint8Array | { readonly from: string } };

const blockBytes = 512;
/** Read and written at a time: large enough to be fast, small beside the image. */
const chunkBytes = 1024 * 1024;

/** Writes a POSIX ustar archive (IEEE 1003.1 "pax", ustar interchange format), feeding every byte to `hash` too. Returns its size. */
export async function writeTar(output: FileHandle, entries: readonly TarEntry[], hash?: Hash): Promise<number> {
  let size = 0;
  const put = async (bytes: Uint8Array): Promise<void> => {
    hash?.update(bytes);
    await output.write(bytes);
    size += bytes.length;
  };
  for (const entry of entries) {
    if (entry.kind === "directory") await put(header({ path: `${entry.path}/`, mode: entry.mode ?? 0o755, size: 0, type: "5" }));
    else if (entry.kind === "symlink") await put(header({ path: entry.path, mode: 0o777, size: 0, type: "2", target: entry.target }));
    else {
      const { content, mode = 0o644, path } = entry;
      const length = content instanceof Uint8Array ? content.length : await copyHeader(content.from, path, mode, put);
      if (content instanceof Uint8Array) {
        await put(header({ path, mode, size: length, type: "0" }));
        await put(content);
      }
      await put(new Uint8Array((blockBytes - (length % blockBytes)) % blockBytes));
    }
  }
  await put(new Uint8Array(2 * blockBytes));
  return size;
}

/** Header and contents of the file at `from`; returns its length. */
async function copyHeader(from: string, path: string, mode: number, put: (bytes: Uint8Array) => Promise<void>): Promise<number> {
  const input = await open(from);
  try {
    const { size } = await input.stat();
    await put(header({ path, mode, size, type: "0" }));
    const chunk = new Uint8Array(chunkBytes);
    for (let copied = 0; copied < size; ) {
      const { bytesRead } = await input.read(chunk, 0, Math.min(chunkBytes, size - copied));
      if (bytesRead === 0) throw new RangeError(`${from} became shorter while it was read`);
      await put(chunk.slice(0, bytesRead));
      copied += bytesRead;
    }
    return size;
  } finally {
    await input.close();
  }
}

interface Header {
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly type: "0" | "2" | "5";
  readonly target?: string;
}

function header({ path, mode, size, type, target = "" }: Header): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const { name, prefix } = splitPath(path);
  const text = (offset: number, length: number, value: string): void => {
    if (Buffer.byteLength(value) > length)
      throw new RangeError(`${JSON.stringify(value)} is longer than the ${length} bytes of a tar header`);
    block.write(value, offset, "utf8");
  };
  const octal = (offset: number, length: number, value: number): void =>
    text(offset, length, `${value.toString(8).padStart(length - 1, "0")}\0`);
  text(0, 100, name);
  octal(100, 8, mode);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, size);
  octal(136, 12, 0);
  text(148, 8, " ".repeat(8));
  text(156, 1, type);
  text(157, 100, target);
  text(257, 8, "ustar\x0000");
  text(345, 155, prefix);
  let sum = 0;
  for (const byte of block) sum += byte;
  text(148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** ustar keeps 100 bytes of name and, before a slash, 155 of prefix. */
function splitPath(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: "" };
  const slash = path.indexOf("/", path.length - 101);
  return { name: path.slice(slash + 1), prefix: path.slice(0, slash) };
}
