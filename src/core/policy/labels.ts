import { type Labels, matchesRequirements, type Requirement, requirementsOf } from "#lib/kube/selectors.ts";
import type { LabelSelector } from "#lib/kube/index.ts";
import { Few } from "./few.ts";
import type { LabelSet, NamespaceEntry } from "./places.ts";
import { Roster } from "./roster.ts";
import { selectorText } from "./selector-text.ts";

/** What sort of object a set of labels belongs to: selectors of one kind never meet another. */
export type SubjectKind = "Pod" | "ExternalEntity" | "Node";
/** Whose labels a content is. */
export type ContentKind = SubjectKind | "Namespace";

/** A key that labels or selectors use. */
export class LabelKey {
  readonly name: string;
  readonly labels = new Map<string, Label>();
  /** Selectors that ask for the key. */
  users = 0;

  constructor(name: string) {
    this.name = name;
  }
}

/** One distinct pair of key and value. */
export class Label {
  readonly id: number;
  readonly key: LabelKey;
  readonly value: string;
  /** Those that it is part of, beside {@link alone}. */
  readonly contents = new Few<LabelContent>();
  readonly namespaces = new Few<NamespaceEntry>();
  /** The requirements that ask for this pair and nothing else, when somebody does. */
  requirement: RequirementSet | undefined;
  /** The labels of pods that have this pair and nothing else. */
  alone: LabelContent | undefined;
  /** Contents it is part of, and requirements that ask for it. */
  users = 0;

  constructor(id: number, key: LabelKey, value: string) {
    this.id = id;
    this.key = key;
    this.value = value;
  }

  /** How many contents it is part of. */
  get reach(): number {
    return this.contents.size + (this.alone === undefined ? 0 : 1);
  }

  eachContent(visit: (content: LabelContent) => void): void {
    if (this.alone !== undefined) visit(this.alone);
    for (const content of this.contents) visit(content);
  }
}

/** One distinct set of labels of one kind of object, wherever it occurs. */
export class LabelContent {
  readonly kind: ContentKind;
  /** Under which it is found; "" for that of one label. */
  readonly key: string;
  readonly labels: readonly Label[];
  readonly record: Labels;
  /** Label sets that have it, one for each namespace at most. */
  readonly labelSets = new Roster<LabelSet>();
  /** Label sets and namespaces that have it. */
  users = 0;

  constructor(own: Pick<LabelContent, "kind" | "key" | "labels" | "record">) {
    this.kind = own.kind;
    this.key = own.key;
    this.labels = own.labels;
    this.record = own.record;
  }
}

/** One distinct selector of labels. */
export class RequirementSet {
  /** Absent when it asks for exactly one pair, {@link only}. */
  readonly requirements: readonly Requirement[] | undefined;
  readonly only: Label | undefined;
  /** Selectors that have it, of entities and of namespaces. */
  users = 0;
  private readonly narrowest: readonly Label[] | LabelKey | undefined;
  private readonly ownText: string | undefined;

  constructor(own: {
    readonly requirements?: readonly Requirement[];
    readonly only?: Label;
    readonly anchor?: readonly Label[] | LabelKey | undefined;
    readonly text?: string;
  }) {
    this.requirements = own.requirements;
    this.only = own.only;
    this.narrowest = own.anchor;
    this.ownText = own.text;
  }

  /** How Kubernetes prints it; undefined when there is no selector, which selects all. */
  get text(): string | undefined {
    return this.only === undefined ? this.ownText : `${this.only.key.name}=${this.only.value}`;
  }

  /** What narrows most: this label, one of these labels, or any label of this key. */
  get anchor(): Label | readonly Label[] | LabelKey | undefined {
    return this.only ?? this.narrowest;
  }

  /** Those of its anchor. */
  labels(): readonly Label[] {
    return this.only === undefined ? [...labelsOf(this.narrowest ?? [])] : [this.only];
  }

  matches(content: LabelContent): boolean {
    return this.only === undefined ? matchesRequirements(this.requirements ?? [], content.record) : content.labels.includes(this.only);
  }

  /** At most how many contents meet it. */
  get reach(): number {
    const { only, narrowest } = this;
    if (only !== undefined) return only.reach;
    if (narrowest === undefined) return Number.POSITIVE_INFINITY;
    let reach = 0;
    for (const label of labelsOf(narrowest)) reach += label.reach;
    return reach;
  }

  /** Calls `visit` once for each content that meets it. Only when it has an anchor. */
  eachContent(visit: (content: LabelContent) => void): void {
    // An object has one value for each key: no content is under two labels of an anchor.
    if (this.only !== undefined) this.only.eachContent(visit);
    else
      for (const label of labelsOf(this.narrowest ?? []))
        label.eachContent((content) => {
          if (this.matches(content)) visit(content);
        });
  }
}

const labelsOf = (anchor: readonly Label[] | LabelKey): Iterable<Label> => (anchor instanceof LabelKey ? anchor.labels.values() : anchor);

/** All labels and selectors there are, each once. What nobody uses any more is forgotten. */
export class Vocabulary {
  private readonly keys = new Map<string, LabelKey>();
  private readonly contents = new Map<string, LabelContent>();
  private readonly requirementSets = new Map<string, RequirementSet>();
  private readonly everything = new RequirementSet({ requirements: [], text: "" });
  private readonly absent = new RequirementSet({ requirements: [] });
  private labelsMade = 0;
  private lastKey: LabelKey | undefined;

  content(kind: ContentKind, record: Labels): LabelContent {
    const only = onlyKey(record);
    if (kind === "Pod" && only !== undefined && only !== several) return this.contentOfOne(this.label(only, record[only] ?? ""), record);
    const labels: Label[] = [];
    for (const key in record) labels.push(this.label(key, record[key] ?? ""));
    labels.sort((one, other) => one.id - other.id);
    let key: string = kind;
    for (const { id } of labels) key += `,${id}`;
    let content = this.contents.get(key);
    if (content === undefined) {
      content = new LabelContent({ kind, key, labels, record });
      for (const label of labels) {
        label.contents.add(content);
        label.users++;
      }
      this.contents.set(key, content);
    }
    return content;
  }

  /** Of a content that no label set has any more. */
  forgetContent(content: LabelContent): void {
    if (content.key !== "") this.contents.delete(content.key);
    for (const label of content.labels) {
      if (content.key === "") label.alone = undefined;
      else label.contents.delete(content);
      this.release(label);
    }
  }

  /** Throws InvalidSelector of lib/kube for an operator or a value list that Kubernetes does not know. */
  requirements(selector: LabelSelector | undefined): RequirementSet {
    if (selector === undefined) return this.absent;
    const { matchLabels, matchExpressions } = selector;
    if (matchExpressions === undefined || matchExpressions.length === 0) {
      const only = onlyKey(matchLabels);
      if (only === undefined) return this.everything;
      if (only !== several) return this.equal(this.label(only, matchLabels?.[only] ?? ""));
    }
    const text = selectorText(selector);
    const known = this.requirementSets.get(text);
    if (known !== undefined) return known;
    const requirements = requirementsOf(selector);
    const made = new RequirementSet({ requirements, anchor: this.anchorOf(requirements), text });
    this.requirementSets.set(text, made);
    return made;
  }

  /** Of requirements that no selector has any more. */
  forgetRequirements(requirements: RequirementSet): void {
    const { only, anchor, text } = requirements;
    if (only !== undefined) only.requirement = undefined;
    else if (text !== undefined) this.requirementSets.delete(text);
    if (anchor instanceof LabelKey) this.releaseKey(anchor);
    else if (anchor instanceof Label) this.release(anchor);
    else for (const label of anchor ?? []) this.release(label);
  }

  private contentOfOne(label: Label, record: Labels): LabelContent {
    if (label.alone === undefined) {
      label.alone = new LabelContent({ kind: "Pod", key: "", labels: [label], record });
      label.users++;
    }
    return label.alone;
  }

  private equal(label: Label): RequirementSet {
    if (label.requirement === undefined) {
      label.requirement = new RequirementSet({ only: label });
      label.users++;
    }
    return label.requirement;
  }

  private label(keyName: string, value: string): Label {
    const key = this.key(keyName);
    let label = key.labels.get(value);
    if (label === undefined) {
      label = new Label(this.labelsMade++, key, value);
      key.labels.set(value, label);
    }
    return label;
  }

  private key(name: string): LabelKey {
    if (this.lastKey?.name === name) return this.lastKey;
    let key = this.keys.get(name);
    if (key === undefined) {
      key = new LabelKey(name);
      this.keys.set(name, key);
    }
    this.lastKey = key;
    return key;
  }

  private anchorOf(requirements: readonly Requirement[]): readonly Label[] | LabelKey | undefined {
    let best: Requirement | undefined;
    for (const requirement of requirements) {
      if (requirement.operator === "In" && (best?.operator !== "In" || requirement.values.length < best.values.length)) best = requirement;
      else if (requirement.operator === "Exists" && best === undefined) best = requirement;
    }
    if (best === undefined) return undefined;
    const { key: name, values } = best;
    if (best.operator === "Exists") {
      const key = this.key(name);
      key.users++;
      return key;
    }
    return [...new Set(values)].map((value) => {
      const label = this.label(name, value);
      label.users++;
      return label;
    });
  }

  private release(label: Label): void {
    if (--label.users > 0) return;
    label.key.labels.delete(label.value);
    this.forgetKeyIfUnused(label.key);
  }

  private releaseKey(key: LabelKey): void {
    key.users--;
    this.forgetKeyIfUnused(key);
  }

  private forgetKeyIfUnused(key: LabelKey): void {
    if (key.labels.size > 0 || key.users > 0) return;
    this.keys.delete(key.name);
    if (this.lastKey === key) this.lastKey = undefined;
  }
}

const several = Symbol("several keys");

function onlyKey(labels: Labels | undefined): string | typeof several | undefined {
  let only: string | undefined;
  for (const key in labels) {
    if (only !== undefined) return several;
    only = key;
  }
  return only;
}
