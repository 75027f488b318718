import { hash } from "node:crypto";

/** What a line of a snapshot holds. A group's members follow it, in as many lines as they take. */
export const lineKinds = ["policy", "addressGroup", "appliedToGroup", "members", "allocations", "openPorts", "computed"] as const;
export type LineKind = (typeof lineKinds)[number];

/** A line that was encoded: as long as what it says stays the same it is this object, with the same bytes. */
export interface Line {
  readonly digest: string;
  /** Digest, kind, JSON and the newline, as UTF-8. */
  readonly bytes: Uint8Array;
}

/** A line that was read. */
export interface ReadLine {
  readonly kind: LineKind;
  readonly value: unknown;
}

export const snapshotFormat = "antrea-policy-snapshot/4";

export function lineOf(kind: LineKind, json: string): Line {
  const said = `${kind} ${json}`;
  const digest = digestOf(said);
  return { digest, bytes: Buffer.from(`${digest} ${said}\n`) };
}

/** The pieces of a file. Its first line names the format and the digest of all digests: which lines there are, and their order. */
export function piecesOf(lines: readonly Line[]): readonly Uint8Array[] {
  const header = Buffer.from(`${snapshotFormat} ${digestOf(lines.map(({ digest }) => digest).join(""))}\n`);
  return [header, ...lines.map(({ bytes }) => bytes)];
}

/** Reads such a file; a text says why it is not what was written. Total. */
export function readLines(text: string): readonly ReadLine[] | string {
  const [header = "", ...rows] = text.split("\n");
  if (rows.pop() !== "") return "it is cut short";
  if (header !== `${snapshotFormat} ${digestOf(rows.map((row) => row.slice(0, digestLength)).join(""))}`) return "the checksum is wrong";
  const lines: ReadLine[] = [];
  for (const [index, row] of rows.entries()) {
    const said = row.slice(digestLength + 1);
    if (row !== `${digestOf(said)} ${said}`) return `the checksum of line ${index + 2} is wrong`;
    const line = parsed(said);
    if (line === undefined) return `line ${index + 2} is of no known form`;
    lines.push(line);
  }
  return lines;
}

function parsed(said: string): ReadLine | undefined {
  const end = said.indexOf(" ");
  const kind = lineKinds.find((known) => known === said.slice(0, end));
  if (kind === undefined) return undefined;
  try {
    return { kind, value: JSON.parse(said.slice(end + 1)) };
  } catch {
    return undefined;
  }
}

const digestOf = (said: string): string => hash("sha256", said, "hex");
const digestLength = digestOf("").length;
