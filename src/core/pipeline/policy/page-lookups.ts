import {
  type BitsTable,
  blockValues,
  createBitsTable,
  type HeldAddress,
  type IndexChanges,
  type IndexedMember,
  type MemberIndex,
  newDraft,
  noBits,
  type AddressKey,
  type PrefixKey,
  type SetBits,
  type SetPage,
} from "#core/sets/index.ts";
import type { FlowCollection } from "../flow-collection.ts";
import type { FlowLedger } from "../flow-ledger.ts";
import type { Pipeline } from "../tables.ts";
import { blockFlows, memberFlows } from "./lookup-flows.ts";
import type { PolicySide } from "./sides.ts";

/** Keeps the lookup tables of a page as its sets and their members are. */
export interface PageLookups {
  compile<Member extends IndexedMember>(changes: Pick<IndexChanges, "addresses" | "filled">, index: MemberIndex<Member>): void;
}

/** Combinations of bits that may be kept beyond those in use, before the unused are forgotten. */
const unusedCombinations = 1_024;

export function createPageLookups(options: {
  readonly pipeline: Pipeline;
  readonly side: PolicySide;
  readonly page: SetPage;
  readonly ledger: FlowLedger;
}): PageLookups {
  const { pipeline, side, page, ledger } = options;
  const table = createBitsTable();
  const members = ledger.collect(memberFlows({ pipeline, side, page: page.id, table, fresh: page.fresh }));
  const blocks = ledger.collect(blockFlows({ pipeline, side, page: page.id, table, fresh: page.fresh }));
  const draft = newDraft();
  let kept = 0;

  const compileAddress = ({ key, groups }: HeldAddress): void => {
    draft.fill(0);
    page.draftMembers(groups, draft);
    const bits = table.intern(draft);
    members.set(key, bits === noBits ? undefined : bits);
  };
  const compileBlocks = (values: ReadonlyMap<PrefixKey, SetBits>): void => {
    for (const [key] of [...blocks.entries()]) if (!values.has(key)) blocks.set(key, undefined);
    for (const [key, bits] of values) blocks.set(key, bits);
  };

  return {
    compile({ addresses, filled }, index) {
      if (members.size > 0 || !page.empty) for (const held of addresses) compileAddress(held);
      const done = new Set<HeldAddress>();
      for (const group of page.takeChangedGroups()) {
        if (filled.has(group)) continue;
        for (const held of index.addressesOf(group)) {
          if (done.has(held)) continue;
          done.add(held);
          compileAddress(held);
        }
      }
      const changedBlocks = page.takeChangedBlocks();
      if (changedBlocks !== undefined) compileBlocks(blockValues(changedBlocks, table));
      if (table.size > 2 * kept + unusedCombinations) kept = keepUsed(table, members, blocks);
    },
  };
}

function keepUsed(table: BitsTable, members: FlowCollection<AddressKey, SetBits>, blocks: FlowCollection<PrefixKey, SetBits>): number {
  const used = new Set<SetBits>();
  for (const [, bits] of members.entries()) used.add(bits);
  for (const [, bits] of blocks.entries()) used.add(bits);
  used.delete(noBits);
  table.keep(used);
  return table.size;
}
