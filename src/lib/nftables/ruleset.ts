/** Address families of tables, nft(8). */
export type NftFamily = "ip" | "ip6" | "inet" | "arp" | "bridge" | "netdev";

/** Expressions as libnftables-json(5) writes them; texts starting with `@` name a set or map of the table. */
export type Expression =
  | string
  | number
  | boolean
  | readonly Expression[]
  | { readonly prefix: { readonly addr: string; readonly len: number } }
  | { readonly range: readonly [Expression, Expression] }
  | { readonly set: readonly (Expression | readonly [Expression, Expression | Verdict])[] }
  | { readonly concat: readonly Expression[] }
  | { readonly map: { readonly key: Expression; readonly data: Expression } }
  | { readonly payload: { readonly protocol: string; readonly field: string } }
  | { readonly payload: { readonly base: "ll" | "nh" | "th" | "ih"; readonly offset: number; readonly len: number } }
  | { readonly meta: { readonly key: string } }
  | { readonly ct: { readonly key: string; readonly dir?: "original" | "reply"; readonly family?: "ip" | "ip6" } }
  | { readonly fib: { readonly result: "oif" | "oifname" | "type"; readonly flags: readonly string[] } }
  | { readonly "&": readonly [Expression, Expression] }
  | { readonly "|": readonly [Expression, Expression] }
  | { readonly "^": readonly [Expression, Expression] };

export type Verdict =
  | { readonly accept: null }
  | { readonly drop: null }
  | { readonly continue: null }
  | { readonly return: null }
  | { readonly jump: { readonly target: string } }
  | { readonly goto: { readonly target: string } };

export type MatchOperator = "==" | "!=" | "<" | ">" | "<=" | ">=" | "in";

type NatFlag = "random" | "fully-random" | "persistent";

interface Nat {
  readonly family?: "ip" | "ip6";
  readonly addr?: Expression;
  readonly port?: Expression;
  readonly flags?: NatFlag | readonly NatFlag[];
}

/** What a rule does, in order, until an expression does not match. */
export type Statement =
  | Verdict
  | { readonly match: { readonly op: MatchOperator; readonly left: Expression; readonly right: Expression } }
  | { readonly mangle: { readonly key: Expression; readonly value: Expression } }
  | { readonly vmap: { readonly key: Expression; readonly data: Expression } }
  | { readonly counter: null }
  | { readonly log: { readonly prefix?: string; readonly group?: number; readonly level?: string } }
  | { readonly masquerade: { readonly port?: Expression; readonly flags?: NatFlag | readonly NatFlag[] } | null }
  | { readonly snat: Nat }
  | { readonly dnat: Nat }
  | { readonly notrack: null }
  | { readonly reject: { readonly type?: string; readonly expr?: string } | null };

export interface NftRule {
  /** For people; at most {@link longestComment} bytes. */
  readonly comment?: string;
  readonly expr: readonly Statement[];
}

/** Where a base chain sits in the kernel's way of a packet. */
export interface NftHook {
  readonly type: "filter" | "nat" | "route";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting" | "ingress" | "egress";
  /** As a number: filter 0, srcnat 100, dstnat -100, raw -300, mangle -150. */
  readonly priority: number;
  readonly policy?: "accept" | "drop";
  /** For family netdev: the device. nft forgets the chain when the device goes. */
  readonly device?: string;
}

export interface NftChain {
  readonly name: string;
  /** Absent for a chain that is only jumped to. */
  readonly hook?: NftHook;
  readonly rules: readonly NftRule[];
}

export interface NftSet {
  readonly name: string;
  /** nft data types: `ipv4_addr`, `ipv6_addr`, `inet_service`, `ifname`, …; several make a concatenation. */
  readonly type: string | readonly string[];
  readonly flags?: readonly ("constant" | "interval" | "timeout")[];
  readonly elements: readonly Expression[];
}

export interface NftMap extends Omit<NftSet, "elements"> {
  /** Type of the values; `verdict` makes a verdict map. */
  readonly map: string | readonly string[];
  readonly elements: readonly (readonly [Expression, Expression | Verdict])[];
}

/** The whole content that a table of ours should have. */
export interface NftTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly chains: readonly NftChain[];
  readonly sets?: readonly NftSet[];
  readonly maps?: readonly NftMap[];
}

/** The kernel keeps 128 bytes of a rule's comment; the rest is for the mark that recognises the rule. */
export const longestComment = 110;
