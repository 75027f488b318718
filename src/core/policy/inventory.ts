import { type LabelSelector, nameOfKey } from "#lib/kube/index.ts";
import type { Labels } from "#lib/kube/selectors.ts";
import type { GroupSelector } from "./group-selector.ts";
import { AnchoredIndex } from "./anchored-index.ts";
import { type LabelContent, type RequirementSet, type SubjectKind, Vocabulary } from "./labels.ts";
import { Nodes } from "./nodes.ts";
import { Entity, type EntityBefore, LabelSet, NamespaceEntry, NamespaceScope, Selector } from "./places.ts";
import { type EntityRow, type NamespaceRow, sameMember } from "./rows.ts";

/** Under which Nodes are filed: no namespace has an empty name. */
const nodesPlace = "";

/**
 * Which entities exist, by label set, and which selectors meet each label set. Nothing is matched before somebody asks; what a change affects is
 * noted in {@link changed} until the next flush.
 */
export class Inventory {
  /** Entities that are not what they were at the last flush, with what they were; null: not there. Empty until {@link live}. */
  readonly changed = new Map<Entity, EntityBefore | null>();
  /** Whether anything was published, so that changes have to be noted. */
  live = false;
  readonly nodes = new Nodes();
  /** Those of {@link changed} that are gone, by kind and key. */
  private readonly gone = new Map<string, Entity>();
  private readonly namespaces = new Map<string, NamespaceEntry>();
  private readonly scopes = new AnchoredIndex<NamespaceScope>();
  private readonly scopeOf = new Map<string | undefined, NamespaceScope>();
  private readonly vocabulary = new Vocabulary();
  private selectorsVersion = 0;
  private lastNamespace: NamespaceEntry | undefined;

  entity(kind: SubjectKind, key: string): Entity | undefined {
    const { namespace = nodesPlace, name } = nameOfKey(key);
    return this.namespaces.get(namespace)?.entities(kind).get(name);
  }

  /** Every pod, external entity and node: for questions of people. */
  *allEntities(): Iterable<Entity> {
    for (const namespace of this.namespaces.values()) {
      yield* namespace.entities("Pod");
      yield* namespace.entities("ExternalEntity");
    }
  }

  /** The Nodes that are known as objects. */
  nodeEntities(): Iterable<Entity> {
    return this.namespaces.get(nodesPlace)?.entities("Node") ?? [];
  }

  entitiesOn(node: string): Iterable<Entity> {
    return this.nodes.get(node)?.entities.items ?? [];
  }

  upsertNamespace(row: NamespaceRow): NamespaceEntry {
    const namespace = this.namespace(row.name);
    const before = namespace.row;
    namespace.row = row;
    // Before the first namespace selector nobody looks at its labels.
    if (this.scopeOf.size === 0 && namespace.content === undefined) return namespace;
    if (namespace.content !== undefined && before !== undefined && sameLabels(before.labels, row.labels)) return namespace;
    this.relabelNamespace(namespace, this.vocabulary.content("Namespace", row.labels));
    return namespace;
  }

  deleteNamespace(name: string): NamespaceEntry | undefined {
    const namespace = this.namespaces.get(name);
    if (namespace?.row === undefined) return undefined;
    namespace.row = undefined;
    if (namespace.content !== undefined) this.relabelNamespace(namespace, undefined);
    this.forgetIfUnused(namespace);
    return namespace;
  }

  upsert(row: EntityRow): void {
    const namespace = this.namespace(row.namespace);
    const entity = namespace.entities(row.kind).get(row.name);
    if (entity === undefined) {
      this.add(namespace, row);
      return;
    }
    const { row: before, labelSet: from } = entity;
    const relabelled = !sameLabels(before.labels, row.labels);
    if (!relabelled && sameMember(before, row)) return;
    this.note(entity, before);
    entity.row = row;
    this.fileByNode(entity);
    if (!relabelled) return;
    unfile(entity);
    this.file(entity, this.labelSet(namespace, row));
    this.forgetLabelSetIfEmpty(from);
  }

  delete(kind: SubjectKind, key: string): void {
    const entity = this.entity(kind, key);
    if (entity === undefined) return;
    this.note(entity, entity.row);
    entity.labelSet.namespace.entities(kind).delete(entity);
    entity.gone = true;
    if (this.changed.get(entity) === null) this.changed.delete(entity);
    else if (this.live) this.gone.set(`${kind} ${key}`, entity);
    this.nodes.leave(entity);
    unfile(entity);
    this.forgetLabelSetIfEmpty(entity.labelSet);
  }

  /** The one selector of this content. Throws InvalidSelector of lib/kube. */
  selector({ kind, namespace, namespaceSelector, selector }: GroupSelector): Selector {
    const requirements = this.vocabulary.requirements(selector);
    const place =
      kind === "Node" ? this.namespace(nodesPlace) : namespace === undefined ? this.scope(namespaceSelector) : this.namespace(namespace);
    for (const known of place.selectors.withAnchorOf(requirements))
      if (known.requirements === requirements && known.kind === kind) return known;
    const made = new Selector(kind, place, requirements);
    requirements.users++;
    place.users++;
    place.selectors.add(made);
    this.selectorsVersion++;
    return made;
  }

  /** Of a selector that no group holds on to any more. */
  forgetSelector(selector: Selector): void {
    const { place, requirements } = selector;
    place.users--;
    place.selectors.delete(selector);
    this.leaveRequirements(requirements);
    this.selectorsVersion++;
    if (place instanceof NamespaceEntry) this.forgetIfUnused(place);
    else if (place.users === 0) this.forgetScope(place);
  }

  /** The selectors that meet `labelSet`. The list is never changed, only replaced. */
  selectorsOf(labelSet: LabelSet): readonly Selector[] {
    if (labelSet.selectors !== undefined && labelSet.selectorsAt === this.selectorsVersion) return labelSet.selectors;
    const found: Selector[] = [];
    const { namespace, content } = labelSet;
    const add = (selector: Selector): void => {
      if (selector.kind === content.kind) found.push(selector);
    };
    namespace.selectors.matching(content, add);
    for (const scope of namespace.scopes) scope.selectors.matching(content, add);
    labelSet.selectors = found;
    labelSet.selectorsAt = this.selectorsVersion;
    return found;
  }

  /** Called when all changes are published. */
  settle(): void {
    this.changed.clear();
    this.gone.clear();
    this.live = true;
  }

  private add(namespace: NamespaceEntry, row: EntityRow): void {
    const labelSet = this.labelSet(namespace, row);
    const key = this.gone.size === 0 ? "" : `${row.kind} ${row.key}`;
    const known = this.gone.get(key);
    const entity = known ?? new Entity(row, labelSet);
    if (known !== undefined) {
      // Deleted and made anew since the last flush: it is still known as what it was then.
      this.gone.delete(key);
      known.gone = false;
      known.row = row;
    }
    namespace.entities(row.kind).add(entity);
    this.file(entity, labelSet);
    this.fileByNode(entity);
    this.note(entity, null);
  }

  private note(entity: Entity, before: EntityRow | null): void {
    if (!this.live || this.changed.has(entity)) return;
    this.changed.set(entity, before === null ? null : { row: before, selectors: this.selectorsOf(entity.labelSet) });
  }

  /** Everything in the namespace may meet other selectors by namespace from now on. */
  private relabelNamespace(namespace: NamespaceEntry, content: LabelContent | undefined): void {
    const before = namespace.content;
    const now = new Set<NamespaceScope>();
    if (content !== undefined) this.scopes.matching(content, (scope) => now.add(scope));
    const left = [...namespace.scopes].filter((scope) => !now.has(scope));
    const entered = [...now].filter((scope) => !namespace.scopes.has(scope));
    if (left.length > 0 || entered.length > 0) {
      const met = this.live ? [...namespace.labelSets].map((labelSet) => [labelSet, this.selectorsOf(labelSet)] as const) : [];
      for (const scope of left) {
        scope.namespaces.delete(namespace);
        namespace.scopes.delete(scope);
      }
      for (const scope of entered) {
        scope.namespaces.add(namespace);
        namespace.scopes.add(scope);
      }
      for (const labelSet of namespace.labelSets) labelSet.selectors = undefined;
      for (const [labelSet, selectors] of met) {
        if (sameItems(selectors, this.selectorsOf(labelSet))) continue;
        for (const entity of labelSet.entities.items) {
          if (!this.changed.has(entity)) this.changed.set(entity, { row: entity.row, selectors });
        }
      }
    }
    this.setContent(namespace, before, content);
  }

  private setContent(namespace: NamespaceEntry, before: LabelContent | undefined, content: LabelContent | undefined): void {
    namespace.content = content;
    if (content !== undefined) {
      content.users++;
      for (const label of content.labels) label.namespaces.add(namespace);
    }
    if (before === undefined) return;
    for (const label of before.labels) if (!content?.labels.includes(label)) label.namespaces.delete(namespace);
    if (--before.users === 0) this.vocabulary.forgetContent(before);
  }

  /** All that are there as objects. */
  namespaceRows(): IteratorObject<NamespaceRow> {
    return this.namespaces
      .values()
      .map(({ row }) => row)
      .filter((row) => row !== undefined);
  }

  knownNamespace(name: string): NamespaceEntry | undefined {
    return this.namespaces.get(name);
  }

  /** The namespace of this name, from now on known. */
  namespace(name: string): NamespaceEntry {
    const last = this.lastNamespace;
    if (last?.name === name) return last;
    let namespace = this.namespaces.get(name);
    if (namespace === undefined) {
      namespace = new NamespaceEntry(name);
      this.namespaces.set(name, namespace);
    }
    this.lastNamespace = namespace;
    return namespace;
  }

  private scope(selector: LabelSelector | undefined): NamespaceScope {
    const requirements = this.vocabulary.requirements(selector);
    const known = this.scopeOf.get(requirements.text);
    if (known !== undefined) return known;
    if (this.scopeOf.size === 0) this.readNamespaceLabels();
    const scope = new NamespaceScope(requirements);
    requirements.users++;
    this.scopeOf.set(requirements.text, scope);
    this.scopes.add(scope);
    for (const namespace of this.namespacesThatMayMeet(scope)) {
      if (namespace.content === undefined || !requirements.matches(namespace.content)) continue;
      scope.namespaces.add(namespace);
      namespace.scopes.add(scope);
    }
    return scope;
  }

  /** From the first namespace selector on, namespaces are known by their labels. */
  private readNamespaceLabels(): void {
    for (const namespace of this.namespaces.values())
      if (namespace.row !== undefined && namespace.content === undefined)
        this.setContent(namespace, undefined, this.vocabulary.content("Namespace", namespace.row.labels));
  }

  private namespacesThatMayMeet({ requirements }: NamespaceScope): Iterable<NamespaceEntry> {
    if (requirements.anchor === undefined) return this.namespaces.values();
    return requirements.labels().flatMap(({ namespaces }) => [...namespaces]);
  }

  private forgetScope(scope: NamespaceScope): void {
    const { requirements } = scope;
    this.scopeOf.delete(requirements.text);
    this.scopes.delete(scope);
    for (const namespace of scope.namespaces) namespace.scopes.delete(scope);
    this.leaveRequirements(requirements);
  }

  private leaveRequirements(requirements: RequirementSet): void {
    if (--requirements.users === 0) this.vocabulary.forgetRequirements(requirements);
  }

  private labelSet(namespace: NamespaceEntry, row: EntityRow): LabelSet {
    const content = this.vocabulary.content(row.kind, row.labels);
    let labelSet = namespace.labelSets.get(content);
    if (labelSet === undefined) {
      labelSet = new LabelSet(namespace, content);
      labelSet.placeInContent = content.labelSets.add(labelSet);
      content.users++;
      namespace.labelSets.add(labelSet);
    }
    return labelSet;
  }

  private forgetLabelSetIfEmpty(labelSet: LabelSet): void {
    const { namespace, content } = labelSet;
    if (labelSet.entities.size > 0) return;
    const moved = content.labelSets.remove(labelSet.placeInContent);
    if (moved !== undefined) moved.placeInContent = labelSet.placeInContent;
    namespace.labelSets.delete(labelSet);
    if (--content.users === 0) this.vocabulary.forgetContent(content);
    this.forgetIfUnused(namespace);
  }

  /** Called for a namespace that somebody left. */
  forgetIfUnused(namespace: NamespaceEntry): void {
    if (namespace.row !== undefined || namespace.labelSets.size > 0 || namespace.users > 0 || namespace.policies.size > 0) return;
    this.namespaces.delete(namespace.name);
    if (this.lastNamespace === namespace) this.lastNamespace = undefined;
  }

  private file(entity: Entity, labelSet: LabelSet): void {
    entity.labelSet = labelSet;
    entity.placeInLabelSet = labelSet.entities.add(entity);
  }

  private fileByNode(entity: Entity): void {
    const { nodeName } = entity.row;
    if (nodeName === entity.node?.name) return;
    this.nodes.leave(entity);
    if (nodeName !== undefined) this.nodes.enter(nodeName, entity);
  }
}

/** It is in no label set's list from then on. */
function unfile(entity: Entity): void {
  const moved = entity.labelSet.entities.remove(entity.placeInLabelSet);
  if (moved !== undefined) moved.placeInLabelSet = entity.placeInLabelSet;
}

export function sameLabels(one: Labels, other: Labels): boolean {
  if (one === other) return true;
  let count = 0;
  for (const key in one) {
    if (one[key] !== other[key]) return false;
    count++;
  }
  for (const _ in other) count--;
  return count === 0;
}

function sameItems<Item>(one: readonly Item[], other: readonly Item[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}
