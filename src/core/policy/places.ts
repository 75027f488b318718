import type { AddressGroup } from "./address-group.ts";
import { AnchoredIndex, type Asking } from "./anchored-index.ts";
import type { AppliedToGroup } from "./applied-to-group.ts";
import { Few } from "./few.ts";
import { groupName } from "./group-name.ts";
import type { LabelContent, RequirementSet, SubjectKind } from "./labels.ts";
import type { GroupSource } from "./member-group.ts";
import { KeyedFew } from "./keyed-few.ts";
import type { NodeEntry } from "./nodes.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import { Roster } from "./roster.ts";
import type { EntityRow, NamespaceRow } from "./rows.ts";

/** A pod, external entity or node, with where it is filed. */
export class Entity {
  row: EntityRow;
  labelSet: LabelSet;
  placeInLabelSet = 0;
  node: NodeEntry | undefined;
  placeOnNode = 0;
  gone = false;

  constructor(row: EntityRow, labelSet: LabelSet) {
    this.row = row;
    this.labelSet = labelSet;
  }

  get name(): string {
    return this.row.name;
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
  placeInContent = 0;
  readonly entities = new Roster<Entity>();
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
  readonly name: string;
  /** Absent while only pods or policies were heard of: such a namespace meets no namespace selector. */
  row: NamespaceRow | undefined;
  /** Its own labels, from when there is a namespace selector. */
  content: LabelContent | undefined;
  readonly pods = new KeyedFew<string, Entity>(nameOf);
  /** ExternalEntities, or the Nodes in the place of those. */
  readonly others = new KeyedFew<string, Entity>(nameOf);
  /** Those whose rules are logged when the namespace says so. */
  readonly policies = new KeyedFew<string, PolicyEntry>(nameOf);
  readonly labelSets = new KeyedFew<LabelContent, LabelSet>(contentOf);
  readonly selectors = new AnchoredIndex<Selector>();
  readonly scopes = new Few<NamespaceScope>();
  /** Selectors in it. */
  users = 0;

  constructor(name: string) {
    this.name = name;
  }

  entities(kind: SubjectKind): KeyedFew<string, Entity> {
    return kind === "Pod" ? this.pods : this.others;
  }

  includes(namespace: NamespaceEntry): boolean {
    return namespace === this;
  }
}

const nameOf = ({ name }: { readonly name: string }): string => name;
const contentOf = ({ content }: LabelSet): LabelContent => content;

/** Where selectors look: the namespaces that meet one distinct namespace selector. */
export class NamespaceScope implements Asking {
  readonly requirements: RequirementSet;
  readonly namespaces = new Set<NamespaceEntry>();
  readonly selectors = new AnchoredIndex<Selector>();
  users = 0;

  constructor(requirements: RequirementSet) {
    this.requirements = requirements;
  }

  includes(namespace: NamespaceEntry): boolean {
    return this.namespaces.has(namespace);
  }
}

/** One distinct selector of entities, in the roles it is used in. It is what a group without a name of its own consists of. */
export class Selector implements Asking, GroupSource {
  readonly kind: SubjectKind;
  readonly place: NamespaceEntry | NamespaceScope;
  readonly requirements: RequirementSet;
  peers: AddressGroup | undefined;
  subjects: AppliedToGroup | undefined;
  /** Groups that users named and that it is part of. */
  named: readonly (AddressGroup | AppliedToGroup)[] = none;
  private ownName: string | undefined;

  constructor(kind: SubjectKind, place: NamespaceEntry | NamespaceScope, requirements: RequirementSet) {
    this.kind = kind;
    this.place = place;
    this.requirements = requirements;
  }

  matches({ namespace, content }: LabelSet): boolean {
    return this.place.includes(namespace) && this.meets(content);
  }

  /** Whether labels are such as it selects, in whatever namespace. */
  meets(content: LabelContent): boolean {
    return content.kind === this.kind && this.requirements.matches(content);
  }

  contains(entity: Entity): boolean {
    return !entity.gone && this.matches(entity.labelSet);
  }

  eachEntity(visit: (entity: Entity) => void): void {
    this.eachLabelSet((labelSet) => {
      for (const entity of labelSet.entities.items) visit(entity);
    });
  }

  /** Every label set that meets it, each once. */
  eachLabelSet(visit: (labelSet: LabelSet) => void): void {
    const { kind, place, requirements } = this;
    const isNamespace = place instanceof NamespaceEntry;
    if (requirements.reach <= (isNamespace ? place.labelSets.size : place.namespaces.size))
      requirements.eachContent((content) => {
        if (content.kind !== kind) return;
        if (!isNamespace) eachLabelSetOf(content, place, visit);
        else {
          const labelSet = place.labelSets.get(content);
          if (labelSet !== undefined) visit(labelSet);
        }
      });
    else
      for (const namespace of isNamespace ? [place] : place.namespaces)
        for (const labelSet of namespace.labelSets) if (this.meets(labelSet.content)) visit(labelSet);
  }

  get used(): boolean {
    return this.peers !== undefined || this.subjects !== undefined || this.named.length > 0;
  }

  /** The name of the group that consists of what it meets. */
  get name(): string {
    this.ownName ??= groupName(this.normalizedName);
    return this.ownName;
  }

  get uid(): string {
    return this.name;
  }

  /** Made the way the Go implementation makes it, so that groups are called the same. */
  get normalizedName(): string {
    const { kind, place, requirements } = this;
    const { text } = requirements;
    if (kind === "Node") return `nodeSelector=${text}`;
    const namespaces = place instanceof NamespaceEntry ? undefined : place.requirements.text;
    const where =
      place instanceof NamespaceEntry ? `namespace=${place.name}` : namespaces !== undefined && `namespaceSelector=${namespaces}`;
    const what = text !== undefined && `${kind === "Pod" ? "podSelector" : "eeSelector"}=${text}`;
    // In the order of their texts.
    return (kind === "Pod" ? [where, what] : [what, where]).filter(Boolean).join(" And ");
  }
}

/** The label sets of these labels in the namespaces of a scope, by way of the fewer of the two. */
function eachLabelSetOf(content: LabelContent, { namespaces }: NamespaceScope, visit: (labelSet: LabelSet) => void): void {
  const { labelSets } = content;
  if (labelSets.size < namespaces.size) {
    for (const labelSet of labelSets.items) if (namespaces.has(labelSet.namespace)) visit(labelSet);
    return;
  }
  for (const namespace of namespaces) {
    const labelSet = namespace.labelSets.get(content);
    if (labelSet !== undefined) visit(labelSet);
  }
}

const none: readonly never[] = Object.freeze([]);
