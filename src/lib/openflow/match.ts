import { UnencodableFlow } from "./errors.ts";
import { type Field, type FieldName, fieldList, fields } from "./fields.ts";

/** What a field must hold: a plain value is matched exactly; with a mask only the bits set in it count. */
export type FieldMatch = bigint | { readonly value: bigint; readonly mask: bigint };

/** Conditions on fields; all must hold. Fields not named match anything. Ports take either numbering: 0xfffe and 0xfffffffe are both LOCAL. */
export type Match = { readonly [Name in FieldName]?: FieldMatch };

/** One condition in the form the switch stores. */
export interface MatchTerm {
  readonly field: Field;
  /** Zero where the mask is zero. */
  readonly value: bigint;
  /** Never zero. */
  readonly mask: bigint;
}

/**
 * The conditions of `match` as Open vSwitch stores them, in field order: wide registers as their 32-bit parts, VLAN fields as `vlan_tci`,
 * `nw_tos` as `ip_dscp`, ports in 32 bits, nothing for what matches anything. Equal lists are the same match.
 * Throws {@link UnencodableFlow} for a value that is wider than its field.
 */
export function matchTerms(match: Match): MatchTerm[] {
  const terms: MatchTerm[] = [];
  let vlan = false;
  for (const name in match) {
    const condition = match[name as FieldName];
    if (condition === undefined) continue;
    const field = fields[name as FieldName];
    const exact = typeof condition === "bigint";
    const mask = exact ? field.allOnes : condition.mask;
    const value = exact ? condition : condition.value & mask;
    const allOnes = field.name === "in_port" ? fields.in_port_oxm.allOnes : field.allOnes;
    if (value < 0n || value > allOnes || mask < 0n || mask > allOnes)
      throw new UnencodableFlow(name, `${value}/${mask} does not fit its ${field.bits} bits`);
    if (mask === 0n) continue;
    const rewrite = rewrites[field.index];
    if (rewrite === undefined) addTerm(terms, field, value, mask);
    else rewrite(terms, value, mask);
    vlan ||= field.name.startsWith("vlan_");
  }
  if (vlan) withoutTagNoPriority(terms);
  return terms;
}

/** A text that is equal for equal matches, however they are written. */
export function matchKey(match: Match): string {
  let key = "";
  let last = -1;
  for (const name in match) {
    const condition = match[name as FieldName];
    const field = fields[name as FieldName];
    // Nearly all matches are written in the form and order in which they are stored, and need no terms.
    if (condition === undefined || field.index <= last || !isStoredAs(field, condition)) return matchTerms(match).map(termKey).join("");
    last = field.index;
    key += typeof condition === "bigint" ? `|${name}=${condition.toString(16)}` : maskedKey(name, condition.value, condition.mask);
  }
  return key;
}

const termKey = ({ field, value, mask }: MatchTerm): string =>
  mask === field.allOnes ? `|${field.name}=${value.toString(16)}` : maskedKey(field.name, value, mask);
const maskedKey = (name: string, value: bigint, mask: bigint): string => `|${name}=${value.toString(16)}/${mask.toString(16)}`;

/** Whether {@link matchTerms} would leave the condition as it is. */
function isStoredAs(field: Field, condition: FieldMatch): boolean {
  if (rewrites[field.index] !== undefined || field.name === "vlan_tci") return false;
  if (typeof condition === "bigint") return condition >= 0n && condition <= field.allOnes;
  const { value, mask } = condition;
  return mask > 0n && mask < field.allOnes && value >= 0n && (value & mask) === value;
}

/** Whether terms as they were read are what {@link matchTerms} makes of their match: nearly all that a switch sends is. */
export function areStored(terms: readonly MatchTerm[]): boolean {
  let last = -1;
  for (const { field, value } of terms) {
    if (field.index <= last || rewrites[field.index] !== undefined || field.name === "vlan_tci") return false;
    if (field.name === "in_port_oxm" && isReservedPort(value)) return false;
    last = field.index;
  }
  return true;
}

/** The match that these terms make, as {@link matchTerms} would give them back. */
export function matchOfTerms(terms: Iterable<MatchTerm>): Match {
  const match: { [Name in FieldName]?: FieldMatch } = {};
  for (const { field, value, mask } of terms)
    match[field.name === "in_port_oxm" ? "in_port" : field.name] = mask === field.allOnes ? value : { value, mask };
  return match;
}

/** The same match in the form the switch stores and gives back; itself when it has that form. `terms` are its own. */
export function normalMatch(match: Match, terms: readonly MatchTerm[] = matchTerms(match)): Match {
  return isNormal(match) ? match : matchOfTerms(terms);
}

function isNormal(match: Match): boolean {
  let last = -1;
  for (const name in match) {
    const condition = match[name as FieldName];
    const field = fields[name as FieldName];
    // A port of 32 bits is given back under the other name.
    if (condition === undefined || field.index <= last || name === "in_port_oxm") return false;
    if (!isStoredAs(field, condition) && !isPlainPort(field, condition)) return false;
    last = field.index;
  }
  return true;
}

/** A port is stored in 32 bits and given back under the name that it has here. */
const isPlainPort = ({ name }: Field, condition: FieldMatch): boolean =>
  name === "in_port" && typeof condition === "bigint" && condition >= 0n && condition < 0xff00n;

/** What is missing for a switch to accept `match`: fields whose prerequisites do not hold, with what they need. Empty when nothing is. */
export function missingPrerequisites(match: Match): { readonly field: FieldName; readonly needs: FieldName }[] {
  return lackingPrerequisites(matchTerms(match));
}

/** As {@link missingPrerequisites}, of a match's terms. */
export function lackingPrerequisites(terms: readonly MatchTerm[]): { readonly field: FieldName; readonly needs: FieldName }[] {
  const lacking: { readonly field: FieldName; readonly needs: FieldName }[] = [];
  for (const { field } of terms)
    for (const { needs, permitted } of prerequisitesOf(field)) {
      const found = terms.find((term) => term.field === needs && term.mask === needs.allOnes);
      if (found === undefined || !permitted.includes(found.value)) lacking.push({ field: field.name, needs: needs.name });
    }
  return lacking;
}

interface Prerequisite {
  readonly needs: Field;
  readonly permitted: readonly bigint[];
}

/** What else must be matched for the field to be there: nothing, for most fields. */
export const prerequisitesOf = ({ index }: Field): readonly Prerequisite[] => prerequisites[index] ?? [];

const prerequisites: readonly (readonly Prerequisite[])[] = fieldList.map((field) =>
  Object.entries(field.prerequisites).map(([name, permitted]) => ({ needs: fields[name as FieldName], permitted })),
);

/** Keeps `terms` sorted by field; two conditions on one field become one. */
function addTerm(terms: MatchTerm[], field: Field, value: bigint, mask: bigint): void {
  let place = terms.length;
  for (; place > 0; place--) {
    const before = terms[place - 1];
    if (before === undefined || before.field.index < field.index) break;
    if (before.field === field) {
      terms[place - 1] = { field, value: before.value | value, mask: before.mask | mask };
      return;
    }
  }
  if (place === terms.length) terms.push({ field, value, mask });
  else terms.splice(place, 0, { field, value, mask });
}

/** A packet without a tag has no priority: the switch keeps no condition on it. */
function withoutTagNoPriority(terms: MatchTerm[]): void {
  for (const [index, { field, value, mask }] of terms.entries())
    if (field.name === "vlan_tci" && (value & tagBits) === 0n && (mask & tagBits) !== 0n)
      terms[index] = { field, value: 0n, mask: mask & tagBits };
}
/** The identifier and the bit that says that there is a tag. */
const tagBits = 0x1fffn;

type Rewrite = (terms: MatchTerm[], value: bigint, mask: bigint) => void;

const wideRegister =
  (first: number, count: number): Rewrite =>
  (terms, value, mask) => {
    for (let part = 0; part < count; part++) {
      const shift = BigInt(32 * (count - 1 - part));
      const partMask = (mask >> shift) & 0xffff_ffffn;
      const field = fields[`reg${first + part}` as "reg0"];
      if (partMask !== 0n) addTerm(terms, field, (value >> shift) & partMask, partMask);
    }
  };

/** Ports 0xff00 … 0xffff of the 16-bit numbering are the reserved ports of the 32-bit one. */
const port: Rewrite = (terms, value) =>
  addTerm(terms, fields.in_port_oxm, isReservedPort(value) ? value + 0xffff_0000n : value, fields.in_port_oxm.allOnes);
const isReservedPort = (value: bigint): boolean => value >= 0xff00n && value <= 0xffffn;

const shifted =
  (target: FieldName, shift: bigint): Rewrite =>
  (terms, value, mask) =>
    addTerm(terms, fields[target], value << shift, mask << shift);

const rewriteOf: { readonly [Name in FieldName]?: Rewrite } = {
  in_port: port,
  vlan_vid: shifted("vlan_tci", 0n),
  vlan_pcp: shifted("vlan_tci", 13n),
  nw_tos: (terms, value) => addTerm(terms, fields.ip_dscp, value >> 2n, fields.ip_dscp.allOnes),
  // Ethernet is what every packet is here; Open vSwitch adds the condition to what it reports.
  packet_type: (terms, value, mask) => {
    if (value !== 0n) addTerm(terms, fields.packet_type, value, mask);
  },
  ...Object.fromEntries(Array.from({ length: 8 }, (_, number) => [`xreg${number}`, wideRegister(2 * number, 2)])),
  ...Object.fromEntries(Array.from({ length: 4 }, (_, number) => [`xxreg${number}`, wideRegister(4 * number, 4)])),
};
const rewrites: readonly (Rewrite | undefined)[] = fieldList.map(({ name }) => rewriteOf[name]);
