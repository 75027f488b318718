import type { Subfield } from "#lib/openflow/subfield.ts";

/** Connection tracking zones, by family; numbers as antrea (Go) has them. */
export const ctZones = { 4: 65_520, 6: 65_510 } as const;

/** Kind of the port by which a connection's first packet came in (portKind). */
export const connectionSource: Subfield = { field: "ct_mark", offset: 0, bits: 4 };

/** What is true of a connection; places in ct_mark as antrea (Go) has them. */
export const connectionMarks = {
  service: { field: "ct_mark", offset: 4, bits: 1 },
  hairpin: { field: "ct_mark", offset: 6, bits: 1 },
} as const satisfies Record<string, Subfield>;

/** Ids of the rules that admitted a connection; 0 = no policy was consulted or none applied. */
export const ruleLabels = {
  ingress: { field: "ct_label", offset: 0, bits: 32 },
  egress: { field: "ct_label", offset: 32, bits: 32 },
} as const satisfies Record<string, Subfield>;

/** Bits of ct_state, ovs-fields(7). */
const stateBits = { new: 1n, est: 2n, rel: 4n, rpl: 8n, inv: 16n, trk: 32n } as const;
type State = keyof typeof stateBits;

/** The match that ovs-ofctl writes as `+new+trk`: named states must be set or clear, others may be either. */
export function ctState(text: string): { readonly value: bigint; readonly mask: bigint } {
  let value = 0n;
  let mask = 0n;
  for (const [, sign, name] of text.matchAll(/([+-])(\w{3})/g)) {
    const bit = stateBits[name as State];
    mask |= bit;
    if (sign === "+") value |= bit;
  }
  return { value, mask };
}
