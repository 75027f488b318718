import { createHash } from "node:crypto";
import { addressBits, IpAddress, tryParseAddress, tryParsePrefix } from "#lib/ip/index.ts";
import { longestComment, type NftRule } from "./ruleset.ts";

/** One text for each meaning of an element: nft prints `1.2.3.4/32` as `1.2.3.4`, a range as a prefix where it is one, IPv6 in its short form. */
export function canonicalElement(element: unknown, kind: "set" | "map"): string {
  if (kind === "map" && Array.isArray(element) && element.length === 2) return `${canonicalKey(element[0])} => ${canonicalKey(element[1])}`;
  return canonicalKey(element);
}

/** Of elements that were asked for before; nobody changes one. */
const texts = new WeakMap<object, string>();

function canonicalKey(key: unknown): string {
  if (typeof key !== "object" || key === null) return keyText(key);
  const text = texts.get(key) ?? keyText(key);
  texts.set(key, text);
  return text;
}

function keyText(key: unknown): string {
  if (typeof key === "string") {
    const address = tryParseAddress(key);
    return address === undefined ? key : `${address}-${address}`;
  }
  if (typeof key !== "object" || key === null || Array.isArray(key)) return JSON.stringify(key) ?? "";
  const { prefix, range, concat, elem } = key as Readonly<Record<string, unknown>>;
  if (prefix !== undefined) return canonicalPrefix(prefix as { addr?: unknown; len?: unknown }) ?? JSON.stringify(key);
  if (Array.isArray(range)) return range.map((end: unknown) => canonicalKey(end).split("-")[0]).join("-");
  if (Array.isArray(concat)) return concat.map(canonicalKey).join(" . ");
  if (typeof elem === "object" && elem !== null && "val" in elem) return canonicalKey(elem.val);
  return JSON.stringify(key);
}

function canonicalPrefix({ addr, len }: { readonly addr?: unknown; readonly len?: unknown }): string | undefined {
  const prefix = tryParsePrefix(`${plainText(addr)}/${plainText(len)}`);
  if (prefix === undefined) return undefined;
  const hostBits = BigInt(addressBits(prefix.family) - prefix.length);
  return `${prefix.address}-${new IpAddress(prefix.family, prefix.address.value | ((1n << hostBits) - 1n))}`;
}

/** Types and flags come as a text or a list of one. */
export function canonicalType(type: unknown): readonly string[] {
  return (Array.isArray(type) ? type : type === undefined ? [] : [type]).map(plainText);
}

/** Whatever JSON holds as a text. `String` throws for an object whose `toString` is no function, and what nft prints is not ours to trust. */
export const plainText = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));

/** The comment that a rule carries in the kernel: the words for people and a mark of its content, by which it is recognised. */
export function markedComment({ comment, expr }: NftRule): string {
  const mark = createHash("sha1")
    .update(JSON.stringify([comment, expr]))
    .digest("hex")
    .slice(0, 12);
  return comment === undefined ? `#${mark}` : `${comment.slice(0, longestComment)} #${mark}`;
}
