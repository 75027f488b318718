import type { BlockValue } from "#core/sets/index.ts";
import { addressBits, type IpAddress } from "#lib/ip/index.ts";
import type { Action } from "#lib/openflow/action.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { flow, setRegister, whenRegisters } from "../flow-builder.ts";
import { portKind } from "../registers.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";
import type { PolicySide } from "./sides.ts";

const halfPage = 128n;
const lowHalf = (1n << halfPage) - 1n;
/** A longer prefix must win, and the shortest (0) must be above the table's miss flow. */
const shortestPrefixPriority = 100;

/** There are many lookup flows: their pages follow from the last bits of what they are about. */
const lookupCookies = Array.from({ length: 256 }, (_, page) => cookie("networkPolicy", 0, page));

/** What makes the flows of a page's lookup tables. There are many of them and few kinds: what they have in common is made once. */
export interface LookupCompiler {
  /** An address that peer sets list: their bits are set, the others were cleared when the profile was loaded. */
  member(address: IpAddress, bits: bigint): Flow;
  /** A block of addresses, in a table where the longest one that covers an address is found. */
  block(value: BlockValue): Flow;
}

export function lookupCompiler(pipeline: Pipeline, side: PolicySide, page: number): LookupCompiler {
  const made = { cookie: cookie("networkPolicy"), match: whenRegisters({ page: BigInt(page) }) };
  const anyMember = flow(pipeline, side.members, { ...made, priority: "normal", next: side.prefixes });
  const anyBlock = flow(pipeline, side.prefixes, { ...made, priority: shortestPrefixPriority, next: side.rule });
  const settingBits = new Map<bigint, readonly Action[]>();
  const actionsFor = (bits: bigint): readonly Action[] => {
    const actions = settingBits.get(bits) ?? setBits(bits);
    settingBits.set(bits, actions);
    return actions;
  };
  return {
    member: (address, bits) => ({
      ...anyMember,
      cookie: lookupCookies[Number(address.value & 0xffn)] ?? made.cookie,
      match: { ...side.peerAddress(address), ...made.match },
      actions: [...actionsFor(bits), ...anyMember.actions],
    }),
    block: ({ prefix, bits }) => ({
      ...anyBlock,
      cookie: lookupCookies[Number((prefix.address.value >> BigInt(addressBits(prefix.family) - prefix.length)) & 0xffn)] ?? made.cookie,
      priority: shortestPrefixPriority + prefix.length,
      match: { ...side.peerPrefix(prefix), ...made.match },
      actions: [...actionsFor(bits), ...anyBlock.actions],
    }),
  };
}

/** Which rules hold for a port. Without a profile no policy selects its pod in this direction. */
export function compilePortProfile(
  pipeline: Pipeline,
  side: PolicySide,
  { port, profile }: { port: LocalPort; profile?: { readonly id: number; readonly page: number } },
): Flow {
  const ofport = BigInt(port.ofport);
  return flow(pipeline, side.classifier, {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: side.direction === "Out" ? { in_port: ofport } : whenRegisters({ destination: portKind.pod, outputPort: ofport }),
    ...(profile === undefined
      ? { next: side.admitted }
      : {
          actions: [
            setRegister("profile", BigInt(profile.id)),
            setRegister("page", BigInt(profile.page)),
            setRegister("setBitsLow", 0n),
            setRegister("setBitsHigh", 0n),
          ],
          next: side.members,
        }),
  });
}

/** Pods of the profile are isolated: what no rule admitted is dropped, whatever protocol it is. */
export function compileIsolation(pipeline: Pipeline, side: PolicySide, profile: number): Flow {
  return flow(pipeline, side.defaultRule, {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: whenRegisters({ profile: BigInt(profile) }),
    next: "drop",
  });
}

function setBits(bits: bigint): Action[] {
  const low = bits & lowHalf;
  const high = bits >> halfPage;
  return [...(low === 0n ? [] : [setRegister("setBitsLow", low, low)]), ...(high === 0n ? [] : [setRegister("setBitsHigh", high, high)])];
}
