import type { BlockValue } from "#core/sets/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
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

/** What makes the flow of an address that the peer sets of a page list: their bits are set, the others were cleared when the profile was loaded. */
export type CompileMember = (address: IpAddress, bits: bigint) => Flow;

/** There are many members and few kinds of them: what they have in common is made once. */
export function memberCompiler(pipeline: Pipeline, side: PolicySide, page: number): CompileMember {
  const likeAll = flow(pipeline, side.members, {
    priority: "normal",
    cookie: cookie("networkPolicy"),
    match: whenRegisters({ page: BigInt(page) }),
    next: side.prefixes,
  });
  const actionsOf = new Map<bigint, readonly Action[]>();
  return (address, bits) => {
    const actions = actionsOf.get(bits) ?? [...setBits(bits), ...likeAll.actions];
    // Sets come and go; what was needed once and is not any more must not pile up.
    if (actionsOf.size >= rememberedValues) actionsOf.clear();
    actionsOf.set(bits, actions);
    return { ...likeAll, match: { ...side.peerAddress(address), ...likeAll.match }, actions };
  };
}

const rememberedValues = 1_024;

/** A block of addresses, in a table where the longest one that covers an address is found. */
export function compileBlock(pipeline: Pipeline, side: PolicySide, { page, value }: { page: number; value: BlockValue }): Flow {
  return flow(pipeline, side.prefixes, {
    priority: shortestPrefixPriority + value.prefix.length,
    cookie: cookie("networkPolicy"),
    match: { ...whenRegisters({ page: BigInt(page) }), ...side.peerPrefix(value.prefix) },
    actions: setBits(value.bits),
    next: side.rule,
  });
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
