import { hash } from "node:crypto";
import type { UnreadSnapshot } from "./snapshot-content.ts";

/** What agents wrote until there was a line for each thing. One that is upgraded finds it on its disk, maybe without a controller. */
const format = "antrea-policy-snapshot/3";

export const isEarlierSnapshot = (text: string): boolean => text.startsWith(`${format} `);

/** Reads such a text: format and checksum in the first line, the whole content in the second. A text says why it is not what was written. Total. */
export function readEarlierSnapshot(text: string): UnreadSnapshot | string {
  const [header, content = "", ...rest] = text.split("\n");
  if (header !== `${format} ${hash("sha256", content, "hex")}` || rest.join("\n") !== "") return "the checksum is wrong";
  try {
    const parsed: unknown = JSON.parse(content);
    const { policies, addressGroups, appliedToGroups, allocations, openPorts, computed } = (parsed ?? {}) as Partial<UnreadSnapshot>;
    if (!Array.isArray(policies) || !Array.isArray(addressGroups) || !Array.isArray(appliedToGroups)) return "a list is none";
    return { policies, addressGroups, appliedToGroups, allocations, openPorts, computed };
  } catch {
    return "the content is no JSON";
  }
}
