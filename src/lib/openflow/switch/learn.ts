import type { Action, LearnAction } from "../action.ts";
import { type FieldName, fields } from "../fields.ts";
import type { Flow } from "../flow.ts";
import type { FieldMatch } from "../match.ts";
import { portFromWire16 } from "../port.ts";
import type { Subfield } from "../subfield.ts";
import type { Fault } from "./faults.ts";
import { type Key, readSubfield } from "./layout.ts";

/** The flow that a `learn` action makes of a packet. */
export function learnedFlow(
  action: LearnAction,
  options: { key: Key; consult: (source: Subfield) => void; fault?: Fault | undefined },
): Flow {
  const { key, consult, fault } = options;
  const match: { [Name in FieldName]?: FieldMatch } = {};
  const actions: Action[] = [];
  const read = (source: Subfield | bigint): bigint => {
    if (typeof source === "bigint") return source;
    consult(source);
    return readSubfield(key, source);
  };
  if (action.finIdleTimeout || action.finHardTimeout)
    actions.push({ type: "fin_timeout", idleTimeout: action.finIdleTimeout ?? 0, hardTimeout: action.finHardTimeout ?? 0 });
  for (const spec of action.specs) {
    const value = read(spec.source);
    if (spec.kind === "load") actions.push({ type: "load", value, destination: spec.destination });
    else if (spec.kind === "output") {
      if (value <= 0xffffn) actions.push({ type: "output", port: portFromWire16(Number(value)) });
    } else if (fault !== "learned flows lose their match" || spec.destination.field === "eth_type")
      addCondition(match, spec.destination, value);
  }
  return {
    table: action.table,
    priority: action.priority ?? 0x8000,
    cookie: action.cookie ?? 0n,
    match,
    actions,
    ...(action.idleTimeout ? { idleTimeout: action.idleTimeout } : {}),
    ...(action.hardTimeout ? { hardTimeout: action.hardTimeout } : {}),
    ...(action.sendFlowRemoved ? { flags: ["send_flow_rem"] as const } : {}),
  };
}

function addCondition(match: { [Name in FieldName]?: FieldMatch }, { field, offset, bits }: Subfield, value: bigint): void {
  const { allOnes } = fields[field];
  const present = match[field];
  const before =
    present === undefined ? { value: 0n, mask: 0n } : typeof present === "bigint" ? { value: present, mask: allOnes } : present;
  const mask = before.mask | (((1n << BigInt(bits)) - 1n) << BigInt(offset));
  const both = before.value | (value << BigInt(offset));
  match[field] = mask === allOnes ? both : { value: both, mask };
}
