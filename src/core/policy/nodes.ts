import type { Entity } from "./places.ts";
import { Roster } from "./roster.ts";

/** A node that something is on. */
export class NodeEntry {
  readonly name: string;
  readonly entities = new Roster<Entity>();
  /** Number of the count that came upon it last. */
  private countedIn = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** True when the count of this number has not come upon it yet. */
  isNewIn(count: number): boolean {
    if (this.countedIn === count) return false;
    this.countedIn = count;
    return true;
  }
}

/** The nodes that something is on. However many objects name a node, its name is held once. */
export class Nodes {
  private readonly entries = new Map<string, NodeEntry>();
  private counts = 0;

  get(name: string): NodeEntry | undefined {
    return this.entries.get(name);
  }

  /** Puts an entity on the node of this name. */
  enter(name: string, entity: Entity): void {
    let node = this.entries.get(name);
    if (node === undefined) {
      node = new NodeEntry(name);
      this.entries.set(name, node);
    }
    entity.node = node;
    entity.placeOnNode = node.entities.add(entity);
  }

  /** Takes an entity off the node it is on, if it is on one. */
  leave(entity: Entity): void {
    const { node } = entity;
    if (node === undefined) return;
    const moved = node.entities.remove(entity.placeOnNode);
    if (moved !== undefined) moved.placeOnNode = entity.placeOnNode;
    entity.node = undefined;
    if (node.entities.size === 0) this.entries.delete(node.name);
  }

  /** Each name once, of the nodes that `each` tells. */
  namesOf(each: (visit: (node: NodeEntry) => void) => void): readonly string[] {
    const count = ++this.counts;
    const names: string[] = [];
    each((node) => {
      if (node.isNewIn(count)) names.push(node.name);
    });
    // Cut off: a list that grew has room for 16 more.
    return names.slice();
  }
}
