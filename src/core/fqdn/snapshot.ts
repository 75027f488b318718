import { createHash } from "node:crypto";
import { canonicalName } from "#lib/dns/index.ts";
import { tryParseAddress } from "#lib/ip/index.ts";
import { DamagedFqdnSnapshot } from "./errors.ts";
import { fqdnLimits } from "./limits.ts";
import type { AddressRow, LearnedFrom, NameRow } from "./rows.ts";

/** What the cache knows, to be known again after a restart: names in the order of their last use, the longest ago first. */
export interface FqdnSnapshot {
  readonly names: readonly NameRow[];
}

const format = "antrea-fqdn-snapshot/1";

/** The text of a snapshot: format and checksum in the first line, the content in the second. */
export function writeFqdnSnapshot({ names }: FqdnSnapshot): string {
  const content = JSON.stringify(
    names.map(({ name, addresses }) => [
      name,
      addresses.map(({ address, expires, learned }) => [
        address.toString(),
        expires,
        learned.at,
        learned.ttl,
        ...(learned.by === "pod" ? [learned.pod, ...(learned.server === undefined ? [] : [learned.server])] : []),
      ]),
    ]),
  );
  return `${format} ${checksum(content)}\n${content}\n`;
}

/** Reads such a text. Throws {@link DamagedFqdnSnapshot}; names beyond the cache's own bounds are left out, the least used first. */
export function readFqdnSnapshot(text: string): FqdnSnapshot {
  const [header = "", content = ""] = text.split("\n", 2);
  if (header !== `${format} ${checksum(content)}`) throw new DamagedFqdnSnapshot("format or checksum is wrong");
  const rows: unknown = JSON.parse(content);
  if (!Array.isArray(rows)) throw new DamagedFqdnSnapshot("is no list");
  return { names: rows.slice(-(fqdnLimits.names * 2)).map(readName) };
}

function readName(value: unknown): NameRow {
  const [name, addresses] = Array.isArray(value) ? value : [];
  if (typeof name !== "string" || !Array.isArray(addresses)) throw new DamagedFqdnSnapshot("an entry is no name with addresses");
  return { name: canonicalName(name), addresses: addresses.slice(0, fqdnLimits.addressesPerName).map(readAddress) };
}

function readAddress(value: unknown): AddressRow {
  const [text, expires, at, ttl, pod, server]: unknown[] = Array.isArray(value) ? value : [];
  const address = typeof text === "string" ? tryParseAddress(text) : undefined;
  if (address === undefined || typeof expires !== "number" || typeof at !== "number" || typeof ttl !== "number")
    throw new DamagedFqdnSnapshot(`${JSON.stringify(value)} is no address`);
  const from: LearnedFrom =
    typeof pod === "string" ? { by: "pod", pod, ...(typeof server === "string" ? { server } : {}) } : { by: "agent" };
  return { address, expires, learned: { ...from, at, ttl } };
}

const checksum = (content: string): string => createHash("sha256").update(content).digest("hex");
