/** A file, folder or program of an initial RAM disk. */
export interface ArchiveEntry {
  readonly path: string;
  /** Absent: a folder. */
  readonly content?: Uint8Array;
  readonly executable?: boolean;
}

const magic = "070701";
const alignment = 4;
const folder = 0o040755;
const file = { plain: 0o100644, executable: 0o100755 } as const;

/** Writes the archive form that the Linux kernel unpacks as its first root: "newc" (Documentation/driver-api/early-userspace/buffer-format.rst). */
export function encodeCpio(entries: readonly ArchiveEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [index, { path, content, executable = false }] of [...entries, { path: "TRAILER!!!" }].entries()) {
    const name = Buffer.from(`${path}\0`);
    const mode = content === undefined ? folder : executable ? file.executable : file.plain;
    // Inode, mode, user, group, links, time, size, two device numbers of two parts each, size of the name, check.
    const fields = [index + 1, mode, 0, 0, 1, 0, content?.length ?? 0, 0, 0, 0, 0, name.length, 0];
    const header = Buffer.from(magic + fields.map((field) => field.toString(16).padStart(8, "0")).join(""));
    parts.push(padded(Buffer.concat([header, name])));
    if (content !== undefined) parts.push(padded(content));
  }
  return Buffer.concat(parts);
}

function padded(bytes: Uint8Array): Uint8Array {
  const rest = bytes.length % alignment;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(alignment - rest)]);
}
