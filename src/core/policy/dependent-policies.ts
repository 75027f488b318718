import type { LoweringContext } from "./lowering/context.ts";
import type { Lowered } from "./lowering/lowered.ts";
import { eachInSteps, type Steps } from "./steps.ts";

/** A policy whose meaning depends on other objects. */
export interface DependentPolicy {
  readonly id: string;
  readonly uid: string;
  readonly lower: (context: LoweringContext) => Lowered;
}

/** Something that policies may depend on: a tier, a group, or which namespaces there are. */
interface Topic {
  readonly name: string;
  readonly askers: Set<Dependent>;
}

interface Dependent extends DependentPolicy {
  /** The topics it asked about when it was lowered last. */
  asked: readonly Topic[];
}

/** Policies that are lowered again when an answer that they asked for may be another. */
export class DependentPolicies {
  private readonly policies = new Map<string, Dependent>();
  private readonly topics = new Map<string, Topic>();
  private readonly stale = new Set<Dependent>();
  private readonly context: LoweringContext;
  private readonly lowered: (policy: DependentPolicy, lowered: Lowered) => void;
  private asking = new Set<Topic>();

  constructor(options: {
    readonly context: LoweringContext;
    /** Hears what a policy comes to. */
    readonly lowered: (policy: DependentPolicy, lowered: Lowered) => void;
  }) {
    const { context } = options;
    this.lowered = options.lowered;
    this.context = {
      tierPriority: (tier) => {
        this.ask(tierTopic(tier));
        return context.tierPriority(tier);
      },
      group: (key) => {
        this.ask(groupTopic(key));
        return context.group(key);
      },
      isRefusing: (namespace) => {
        this.ask(refusalTopic(namespace));
        return context.isRefusing(namespace);
      },
      namespaces: () => {
        this.ask(namespacesTopic);
        return context.namespaces();
      },
    };
  }

  get(id: string): DependentPolicy | undefined {
    return this.policies.get(id);
  }

  set(policy: DependentPolicy): void {
    this.delete(policy.id);
    const dependent = { ...policy, asked: none };
    this.policies.set(policy.id, dependent);
    this.stale.add(dependent);
  }

  delete(id: string): void {
    const dependent = this.policies.get(id);
    if (dependent === undefined) return;
    this.policies.delete(id);
    this.stale.delete(dependent);
    for (const topic of dependent.asked) this.leave(topic, dependent);
  }

  /** The answers to who asked about `topic` may be others now. */
  changed(topic: string): void {
    for (const dependent of this.topics.get(topic)?.askers ?? []) this.stale.add(dependent);
  }

  /** Lowers what has to be. */
  *settle(): Steps<void> {
    yield* eachInSteps(this.stale, (dependent) => {
      const lowered = dependent.lower(this.context);
      const asked = this.asking;
      this.asking = new Set();
      for (const topic of dependent.asked) if (!asked.has(topic)) this.leave(topic, dependent);
      for (const topic of asked) topic.askers.add(dependent);
      dependent.asked = [...asked];
      this.lowered(dependent, lowered);
    });
    this.stale.clear();
  }

  private leave(topic: Topic, dependent: Dependent): void {
    topic.askers.delete(dependent);
    if (topic.askers.size === 0) this.topics.delete(topic.name);
  }

  private ask(name: string): void {
    let topic = this.topics.get(name);
    if (topic === undefined) {
      topic = { name, askers: new Set() };
      this.topics.set(name, topic);
    }
    this.asking.add(topic);
  }
}

export const tierTopic = (tier: string): string => `tier/${tier}`;
export const groupTopic = (key: string): string => `group/${key}`;
export const refusalTopic = (namespace: string): string => `refusal/${namespace}`;
export const namespacesTopic = "namespaces";

const none: readonly never[] = Object.freeze([]);
