import type { LabelSelector } from "#lib/kube/index.ts";
import type { Labels } from "#lib/kube/selectors.ts";
import type { GroupSelector } from "./group-selector.ts";
import { AnchoredIndex } from "./anchored-index.ts";
import { type LabelContent, LabelKey, type SubjectKind, Vocabulary } from "./labels.ts";
import { Entity, LabelSet, NamespaceEntry, NamespaceScope, Selector } from "./places.ts";
import { type EntityRow, type NamespaceRow, sameMember } from "./rows.ts";

/** Under which Nodes are filed: no namespace has an empty name. */
const nodesPlace = "";
const kinds: readonly SubjectKind[] = ["Pod", "ExternalEntity", "Node"];

/**
 * Which entities exist, by label set, and which selectors meet each label set. Nothing is matched before somebody asks; what a change affects is
 * noted in {@link changed} until the next flush.
 */
export class Inventory {
  /** Entities that are not what they were at the last flush. Empty until {@link live}. */
  readonly changed = new Set<Entity>();
  /** Whether anything was published, so that changes have to be noted. */
  live = false;
  private readonly entities: Readonly<Record<SubjectKind, Map<string, Entity>>> = {
    Pod: new Map(),
    ExternalEntity: new Map(),
    Node: new Map(),
  };
  /** Those of {@link changed} that are gone. */
  private readonly gone: Readonly<Record<SubjectKind, Map<string, Entity>>> = {
    Pod: new Map(),
    ExternalEntity: new Map(),
    Node: new Map(),
  };
  private readonly byNode = new Map<string, Set<Entity>>();
  private readonly namespaces = new Map<string, NamespaceEntry>();
  private readonly scopes = new AnchoredIndex<NamespaceScope>();
  private readonly scopeOf = new Map<string, NamespaceScope>();
  private readonly vocabulary = new Vocabulary();
  private placesMade = 0;
  private selectorsVersion = 0;
  private lastNamespace: NamespaceEntry | undefined;

  entity(kind: SubjectKind, key: string): Entity | undefined {
    return this.entities[kind].get(key);
  }

  entitiesOf(kind: SubjectKind): IterableIterator<Entity> {
    return this.entities[kind].values();
  }

  entitiesOn(node: string): Iterable<Entity> {
    return this.byNode.get(node) ?? [];
  }

  /** Whether the namespace asks for audit logs of its Kubernetes policies. */
  isLogging(namespace: string): boolean {
    return this.namespaces.get(namespace)?.row?.logging === true;
  }

  namespaceRow(name: string): NamespaceRow | undefined {
    return this.namespaces.get(name)?.row;
  }

  upsertNamespace(row: NamespaceRow): void {
    const namespace = this.namespace(row.name);
    const before = namespace.row;
    namespace.row = row;
    // Before the first namespace selector nobody looks at its labels.
    if (this.scopeOf.size === 0 && namespace.content === undefined) return;
    if (namespace.content !== undefined && before !== undefined && sameLabels(before.labels, row.labels)) return;
    this.relabelNamespace(namespace, this.vocabulary.content("Namespace", row.labels));
  }

  deleteNamespace(name: string): void {
    const namespace = this.namespaces.get(name);
    if (namespace?.row === undefined) return;
    namespace.row = undefined;
    if (namespace.content !== undefined) this.relabelNamespace(namespace, undefined);
    this.forgetIfUnused(namespace);
  }

  upsert(row: EntityRow): void {
    const entities = this.entities[row.kind];
    const entity = entities.get(row.key);
    if (entity === undefined) {
      this.add(row);
      return;
    }
    const { row: before, labelSet: from } = entity;
    const relabelled = !sameLabels(before.labels, row.labels);
    if (!relabelled && sameMember(before, row)) return;
    this.note(entity, before);
    entity.row = row;
    this.fileByNode(entity, before.nodeName);
    if (!relabelled) return;
    entity.labelSet = this.labelSet(row);
    entity.labelSet.entities.add(entity);
    from.entities.delete(entity);
    this.forgetLabelSetIfEmpty(from);
  }

  delete(kind: SubjectKind, key: string): void {
    const entity = this.entities[kind].get(key);
    if (entity === undefined) return;
    this.note(entity, entity.row);
    this.entities[kind].delete(key);
    entity.gone = true;
    if (entity.before === null) this.changed.delete(entity);
    else if (this.live) this.gone[kind].set(key, entity);
    this.unfileByNode(entity, entity.row.nodeName);
    entity.labelSet.entities.delete(entity);
    this.forgetLabelSetIfEmpty(entity.labelSet);
  }

  /** The one selector of this content. Throws InvalidSelector of lib/kube. */
  selector({ kind, namespace, namespaceSelector, selector }: GroupSelector): Selector {
    const requirements = this.vocabulary.requirements(selector);
    const place =
      kind === "Node" ? this.namespace(nodesPlace) : namespace === undefined ? this.scope(namespaceSelector) : this.namespace(namespace);
    const id = place.id * kinds.length + kinds.indexOf(kind);
    const known = requirements.selectors.get(id);
    if (known !== undefined) return known;
    const made = new Selector(kind, place, requirements);
    requirements.selectors.set(id, made);
    place.users++;
    place.selectors.add(made);
    this.selectorsVersion++;
    return made;
  }

  /** Of a selector that no group holds on to any more. */
  forgetSelector(selector: Selector): void {
    const { place, requirements, kind } = selector;
    requirements.selectors.delete(place.id * kinds.length + kinds.indexOf(kind));
    if (requirements.selectors.size === 0 && requirements.scopes === 0) this.vocabulary.forgetRequirements(requirements);
    place.users--;
    place.selectors.delete(selector);
    this.selectorsVersion++;
    if (place instanceof NamespaceEntry) this.forgetIfUnused(place);
    else if (place.users === 0) this.forgetScope(place);
  }

  /** Every label set that meets `selector`, each once. */
  eachLabelSet(selector: Selector, visit: (labelSet: LabelSet) => void): void {
    const { place, requirements } = selector;
    const consider = (labelSet: LabelSet): void => {
      if (selector.matches(labelSet)) visit(labelSet);
    };
    const { anchor } = requirements;
    const labels = anchor instanceof LabelKey ? [...anchor.labels.values()] : anchor;
    if (labels !== undefined) {
      let wanted = 0;
      for (const label of labels) wanted += label.labelSets.size;
      if (wanted < (place instanceof NamespaceEntry ? place.labelSets.size : place.namespaces.size)) {
        for (const label of labels) for (const labelSet of label.labelSets) consider(labelSet);
        return;
      }
    }
    if (place instanceof NamespaceEntry) for (const labelSet of place.labelSets) consider(labelSet);
    else for (const namespace of place.namespaces) for (const labelSet of namespace.labelSets) consider(labelSet);
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

  /** The names of the namespaces that `selector` may find something in. */
  namespacesOf(selector: Selector): readonly string[] {
    return selector.place instanceof NamespaceEntry ? [selector.place.name] : [...selector.place.namespaces].map(({ name }) => name);
  }

  /** Called when all changes are published. */
  settle(): void {
    for (const entity of this.changed) entity.before = undefined;
    this.changed.clear();
    for (const kind of kinds) this.gone[kind].clear();
  }

  private add(row: EntityRow): void {
    const labelSet = this.labelSet(row);
    const known = this.gone[row.kind].get(row.key);
    const entity = known ?? new Entity(row, labelSet);
    if (known !== undefined) {
      // Deleted and made anew since the last flush: it is still known as what it was then.
      this.gone[row.kind].delete(row.key);
      known.gone = false;
      known.row = row;
      known.labelSet = labelSet;
    }
    this.entities[row.kind].set(row.key, entity);
    labelSet.entities.add(entity);
    this.fileByNode(entity, undefined);
    this.note(entity, null);
  }

  private note(entity: Entity, before: EntityRow | null): void {
    if (!this.live || entity.before !== undefined) return;
    entity.before = before === null ? null : { row: before, selectors: this.selectorsOf(entity.labelSet) };
    this.changed.add(entity);
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
        for (const entity of labelSet.entities) {
          if (entity.before !== undefined) continue;
          entity.before = { row: entity.row, selectors };
          this.changed.add(entity);
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

  private namespace(name: string): NamespaceEntry {
    const last = this.lastNamespace;
    if (last?.name === name) return last;
    let namespace = this.namespaces.get(name);
    if (namespace === undefined) {
      namespace = new NamespaceEntry(this.placesMade++, name);
      this.namespaces.set(name, namespace);
    }
    this.lastNamespace = namespace;
    return namespace;
  }

  private scope(selector: LabelSelector | undefined): NamespaceScope {
    const requirements = this.vocabulary.requirements(selector ?? {});
    const key = requirements.text ?? "";
    const known = this.scopeOf.get(key);
    if (known !== undefined) return known;
    if (this.scopeOf.size === 0) this.readNamespaceLabels();
    const scope = new NamespaceScope(this.placesMade++, requirements);
    requirements.scopes++;
    this.scopeOf.set(key, scope);
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

  private namespacesThatMayMeet({ requirements: { anchor } }: NamespaceScope): Iterable<NamespaceEntry> {
    if (anchor === undefined) return this.namespaces.values();
    const labels = anchor instanceof LabelKey ? [...anchor.labels.values()] : anchor;
    return labels.flatMap(({ namespaces }) => [...namespaces]);
  }

  private forgetScope(scope: NamespaceScope): void {
    const { requirements } = scope;
    this.scopeOf.delete(requirements.text ?? "");
    this.scopes.delete(scope);
    for (const namespace of scope.namespaces) namespace.scopes.delete(scope);
    requirements.scopes--;
    if (requirements.selectors.size === 0 && requirements.scopes === 0) this.vocabulary.forgetRequirements(requirements);
  }

  private labelSet(row: EntityRow): LabelSet {
    const namespace = this.namespace(row.namespace);
    const content = this.vocabulary.content(row.kind, row.labels);
    let labelSet = content.labelSets.get(namespace.id);
    if (labelSet === undefined) {
      labelSet = new LabelSet(namespace, content);
      content.labelSets.set(namespace.id, labelSet);
      content.users++;
      namespace.labelSets.add(labelSet);
      for (const label of content.labels) label.labelSets.add(labelSet);
    }
    return labelSet;
  }

  private forgetLabelSetIfEmpty(labelSet: LabelSet): void {
    const { namespace, content } = labelSet;
    if (labelSet.entities.size > 0) return;
    content.labelSets.delete(namespace.id);
    namespace.labelSets.delete(labelSet);
    for (const label of content.labels) label.labelSets.delete(labelSet);
    if (--content.users === 0) this.vocabulary.forgetContent(content);
    this.forgetIfUnused(namespace);
  }

  private forgetIfUnused(namespace: NamespaceEntry): void {
    if (namespace.row !== undefined || namespace.labelSets.size > 0 || namespace.users > 0) return;
    this.namespaces.delete(namespace.name);
    if (this.lastNamespace === namespace) this.lastNamespace = undefined;
  }

  private fileByNode(entity: Entity, before: string | undefined): void {
    const { nodeName } = entity.row;
    if (nodeName === before) return;
    this.unfileByNode(entity, before);
    if (nodeName === undefined) return;
    const entities = this.byNode.get(nodeName);
    if (entities === undefined) this.byNode.set(nodeName, new Set([entity]));
    else entities.add(entity);
  }

  private unfileByNode(entity: Entity, node: string | undefined): void {
    if (node === undefined) return;
    const entities = this.byNode.get(node);
    if (entities?.delete(entity) && entities.size === 0) this.byNode.delete(node);
  }
}

function sameLabels(one: Labels, other: Labels): boolean {
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
