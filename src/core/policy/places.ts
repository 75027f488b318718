import type { AddressGroup } from "./address-group.ts";
import { AnchoredIndex, type Asking } from "./anchored-index.ts";
import type { AppliedToGroup } from "./applied-to-group.ts";
import { Few } from "./few.ts";
import { groupName } from "./group-name.ts";
import type { LabelContent, RequirementSet, SubjectKind } from "./labels.ts";
import type { EntityRow, NamespaceRow } from "./rows.ts";

/** A pod, external entity or node, with where it is filed. */
export class Entity {
  row: EntityRow;
  labelSet: LabelSet;
  /** What it was at the last flush, once it differs from that. `undefined`: nothing changed; `null`: it was not there. */
  before: EntityBefore | null | undefined;
  gone = false;

  constructor(row: EntityRow, labelSet: LabelSet) {
    this.row = row;
    this.labelSet = labelSet;
  }
}

/** An entity at the last flush: its content, and which selectors met its labels. */
export interface EntityBefore {
  readonly row: EntityRow;
  readonly selectors: readonly Selector[];
}

/** All entities of one kind and namespace with equal labels. Selectors meet these and not entities. */
export class LabelSet {
  readonly namespace: NamespaceEntry;
  readonly content: LabelContent;
  readonly entities = new Few<Entity>();
  /** The selectors that meet it, as long as no selector came or went since. */
  selectors: readonly Selector[] | undefined;
  selectorsAt = -1;

  constructor(namespace: NamespaceEntry, content: LabelContent) {
    this.namespace = namespace;
    this.content = content;
  }
}

/** Where selectors look: one namespace by its name. Nodes have one of their own. */
export class NamespaceEntry {
  readonly id: number;
  readonly name: string;
  /** Absent while only pods or policies were heard of: such a namespace meets no namespace selector. */
  row: NamespaceRow | undefined;
  /** Its own labels, from when there is a namespace selector. */
  content: LabelContent | undefined;
  readonly labelSets = new Few<LabelSet>();
  readonly selectors = new AnchoredIndex<Selector>();
  readonly scopes = new Few<NamespaceScope>();
  /** Selectors in it. */
  users = 0;

  constructor(id: number, name: string) {
    this.id = id;
    this.name = name;
  }

  includes(namespace: NamespaceEntry): boolean {
    return namespace === this;
  }
}

/** Where selectors look: the namespaces that meet one distinct namespace selector. */
export class NamespaceScope implements Asking {
  readonly id: number;
  readonly requirements: RequirementSet;
  readonly namespaces = new Set<NamespaceEntry>();
  readonly selectors = new AnchoredIndex<Selector>();
  users = 0;

  constructor(id: number, requirements: RequirementSet) {
    this.id = id;
    this.requirements = requirements;
  }

  includes(namespace: NamespaceEntry): boolean {
    return this.namespaces.has(namespace);
  }
}

/** One distinct selector of entities, in the roles it is used in. */
export class Selector implements Asking {
  readonly kind: SubjectKind;
  readonly place: NamespaceEntry | NamespaceScope;
  readonly requirements: RequirementSet;
  peers: AddressGroup | undefined;
  subjects: AppliedToGroup | undefined;
  /** Groups that users named and that it is part of. */
  named: (AddressGroup | AppliedToGroup)[] = none;
  private ownName: string | undefined;

  constructor(kind: SubjectKind, place: NamespaceEntry | NamespaceScope, requirements: RequirementSet) {
    this.kind = kind;
    this.place = place;
    this.requirements = requirements;
  }

  matches({ namespace, content }: LabelSet): boolean {
    return content.kind === this.kind && this.place.includes(namespace) && this.requirements.matches(content);
  }

  get used(): boolean {
    return this.peers !== undefined || this.subjects !== undefined || this.named.length > 0;
  }

  /** The name of the group that consists of what it meets. */
  get name(): string {
    this.ownName ??= groupName(this.normalizedName);
    return this.ownName;
  }

  /** Made the way the Go implementation makes it, so that groups are called the same. */
  get normalizedName(): string {
    const { kind, place, requirements } = this;
    const { text } = requirements;
    if (kind === "Node") return `nodeSelector=${text}`;
    const where = place instanceof NamespaceEntry ? `namespace=${place.name}` : `namespaceSelector=${place.requirements.text}`;
    if (text === undefined) return where;
    // In the order of their texts.
    return kind === "Pod" ? `${where} And podSelector=${text}` : `eeSelector=${text} And ${where}`;
  }
}

const none: never[] = [];
