import { addressBits, type Family, Prefix, tryParseAddress, tryParsePrefix } from "#lib/ip/index.ts";
import { hasEnd, type SetElementsChange } from "#lib/netlink/index.ts";
import { canonicalElement, canonicalType, plainText } from "./canonical.ts";
import type { NftCommand } from "./difference.ts";
import type { PresentSet, PresentTable } from "./present.ts";
import type { NftTable } from "./ruleset.ts";

/** More are left to nft: a request for them would not fit into an attribute of 64 KiB. */
const mostElements = 512;

interface ElementCommand {
  readonly verb: "add" | "delete";
  readonly name: string;
  readonly elements: readonly unknown[];
}

/** The same commands as changes of sets, where they are nothing else than addresses and blocks that come and go; else undefined. Pure. */
export function elementChangesOf(commands: readonly NftCommand[], table: NftTable): readonly SetElementsChange[] | undefined {
  const changes: SetElementsChange[] = [];
  let count = 0;
  for (const command of commands) {
    const change = elementCommand(command);
    const set = table.sets?.find(({ name }) => name === change?.name);
    const family = familyOf(canonicalType(set?.type));
    if (change === undefined || set === undefined || family === undefined) return undefined;
    const flags = set.flags ?? [];
    const interval = flags.includes("interval");
    if (flags.some((flag) => flag !== "interval")) return undefined;
    const blocks = change.elements.map(blockOf);
    count += blocks.length;
    const known = blocks.filter(
      (block) => block?.family === family && (interval ? hasEnd(block) : block.length === addressBits(block.family)),
    ) as Prefix[];
    if (known.length < blocks.length || count > mostElements) return undefined;
    const [added, removed] = change.verb === "add" ? [known, []] : [[], known];
    changes.push({ family: table.family, table: table.name, set: set.name, interval, added, removed });
  }
  return changes;
}

/** What is there when the commands, changes of elements alone, have been carried out. Pure. */
export function afterChanges(table: PresentTable, commands: readonly NftCommand[]): PresentTable {
  const sets = new Map<string, PresentSet>(table.sets);
  for (const command of commands) {
    const change = elementCommand(command);
    const set = change === undefined ? undefined : sets.get(change.name);
    if (change === undefined || set === undefined) continue;
    const elements = new Map(set.elements);
    for (const element of change.elements) {
      const text = canonicalElement(element, set.kind);
      if (change.verb === "add") elements.set(text, element);
      else elements.delete(text);
    }
    sets.set(change.name, { ...set, elements });
  }
  return { ...table, sets };
}

function elementCommand(command: NftCommand): ElementCommand | undefined {
  const [verb, what] =
    "add" in command ? (["add", command.add] as const) : "delete" in command ? (["delete", command.delete] as const) : [];
  if (verb === undefined || typeof what !== "object" || what === null || !("element" in what)) return undefined;
  const { name, elem } = what.element as { readonly name: string; readonly elem: readonly unknown[] };
  return { verb, name, elements: elem };
}

/** Undefined for what is neither an address nor a block. */
function blockOf(element: unknown): Prefix | undefined {
  if (typeof element === "string") {
    const address = tryParseAddress(element);
    return address === undefined ? undefined : new Prefix(address, addressBits(address.family));
  }
  if (typeof element !== "object" || element === null || !("prefix" in element)) return undefined;
  const { addr, len } = element.prefix as { readonly addr?: unknown; readonly len?: unknown };
  return tryParsePrefix(`${plainText(addr)}/${plainText(len)}`);
}

const familyOf = ([type, ...more]: readonly string[]): Family | undefined =>
  more.length > 0 ? undefined : type === "ipv4_addr" ? 4 : type === "ipv6_addr" ? 6 : undefined;
