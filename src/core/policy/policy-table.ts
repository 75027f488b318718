import type { PolicyEntry } from "./policy-entry.ts";
import { Roster } from "./roster.ts";

/** The policies that are there, or were at the last flush. */
export class PolicyTable {
  private readonly entries = new Roster<PolicyEntry>();
  /** From when somebody asks for one by its UID: those of Kubernetes are found in their namespace. */
  private byUid: Map<string, PolicyEntry> | undefined;

  add(entry: PolicyEntry): void {
    entry.placeInTable = this.entries.add(entry);
    this.byUid?.set(entry.uid, entry);
  }

  delete(entry: PolicyEntry): void {
    const moved = this.entries.remove(entry.placeInTable);
    if (moved !== undefined) moved.placeInTable = entry.placeInTable;
    if (this.byUid?.get(entry.uid) === entry) this.byUid.delete(entry.uid);
  }

  get(uid: string): PolicyEntry | undefined {
    this.byUid ??= new Map(this.entries.items.map((entry) => [entry.uid, entry]));
    return this.byUid.get(uid);
  }

  values(): IteratorObject<PolicyEntry> {
    return this.entries.items.values();
  }
}
