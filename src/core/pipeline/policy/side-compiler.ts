import { createIdPool, type IndexChanges, type IndexedMember, type MemberIndex, type SetPage } from "#core/sets/index.ts";
import type { Direction } from "#core/api/controlplane/index.ts";
import type { Family } from "#lib/ip/index.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import type { FlowLedger } from "../flow-ledger.ts";
import type { LocalPort } from "../rows.ts";
import type { ServiceNumbers } from "../service/index.ts";
import type { Pipeline } from "../tables.ts";
import type { SideAllocations } from "./allocations.ts";
import { createKubernetesLayer } from "./kubernetes-layer.ts";
import type { LayerCompiler, SegmentIds } from "./layer-compiler.ts";
import { type LayerName, layerNames, policyLayers } from "./layers.ts";
import { type Dependents, dependentsOf } from "./dependents.ts";
import type { EncodingLimits } from "./limits.ts";
import { createOrderedLayer } from "./ordered-layer.ts";
import { createPageLookups, type PageLookups } from "./page-lookups.ts";
import { createPagePool } from "./page-pool.ts";
import { compileDoor, compilePort, type PortNumbers } from "./port-flows.ts";
import type { ClassOfRules, PlacedRule, Profile, RuleVariant, Segment } from "./profile.ts";
import type { RuleIds } from "./rule-ids.ts";
import type { PolicySide } from "./sides.ts";

export interface SideCompilerOptions<Member extends IndexedMember> {
  readonly pipeline: Pipeline;
  readonly side: PolicySide;
  readonly families: readonly Family[];
  readonly ledger: FlowLedger;
  readonly index: MemberIndex<Member>;
  readonly ruleIds: RuleIds;
  readonly limits: EncodingLimits;
  readonly metered: boolean;
  readonly services?: ServiceNumbers | undefined;
  readonly remembered?: SideAllocations | undefined;
}

/** What must be looked at again. */
export interface SideChange {
  /** Ports whose rules may have changed, with what holds for them now. */
  readonly ports: ReadonlyMap<string, PortSubject | undefined>;
  readonly members: IndexChanges;
}

export interface PortSubject {
  readonly port: LocalPort;
  /** That of the baseline is empty where Kubernetes policies isolate the pod. */
  readonly rules: Readonly<Record<LayerName, ClassOfRules>>;
}

/** How much one direction needs beyond one page of peer sets for each pod. */
export interface SideFigures {
  readonly profiles: number;
  /** Segments of the profile that has most: as often are the lookup tables gone through for one packet in one layer. */
  readonly rounds: number;
  /** Profiles with more than one segment. */
  readonly profilesWithRounds: number;
  /** Rules whose peers stand in their flows, in all profiles. */
  readonly inlineRules: number;
  readonly inlineFlows: number;
  /** Rules that had no place for their peers: what they allow stays closed, and what the others are there for, too. */
  readonly refusedRules: number;
}

/** One direction of policy: classes of ports in each layer, pages of sets, and the flows they need. */
export interface SideCompiler {
  compile(change: SideChange): void;
  /** See {@link PolicyCompiler.settle}. */
  settle(): boolean;
  /** The same object as before, as long as no number was given or taken back. */
  allocations(): SideAllocations;
  /** Why rules are refused, by their keys. */
  refused(): ReadonlyMap<string, string>;
  figures(): SideFigures;
  /** Ports that are led to no rules, as there are more than have numbers. */
  withoutNumbers(): readonly string[];
  /** What depends on these flows of this direction. */
  dependentsOf(flows: Iterable<Flow>): Dependents;
  /** These ports, and no others, are led to no rules: what is new is dropped. */
  close(ports: ReadonlySet<string>): void;
  /** Where the first of these variants of a rule that holds for a port stands; undefined when none does. */
  placeOf(name: string, layer: LayerName, variants: Iterable<RuleVariant>): PlacedRule | undefined;
}

/** Segment 0 is what the registers hold before anything is loaded. */
const segmentIds = { first: 1, last: 0xffff };

export function createSideCompiler<Member extends IndexedMember>(options: SideCompilerOptions<Member>): SideCompiler {
  const { pipeline, side, ledger, index, limits, remembered } = options;
  const numbers = createIdPool({ ...segmentIds, reserved: rememberedIds(remembered) });
  const pool = createPagePool({ setsPerPage: limits.setsPerPage, remembered: remembered?.bits });
  const lookups = new Map<SetPage, PageLookups>();
  /** Numbers under which segments are entered whatever page is loaded. */
  const doors = new Map<Segment, number>();
  /** What each port was told last. */
  const told = new Map<string, { readonly port: LocalPort; readonly numbers: PortNumbers | "closed" | undefined }>();
  let closed: ReadonlySet<string> = new Set();
  /** Bits were given back since rules were refused for want of them. */
  let retryRefused = false;
  /** How often numbers were given and taken back, but for those of rules; and what was told when they were given for the last time. */
  let gifts = 0;
  let remembering: { readonly at: number; readonly allocations: SideAllocations } | undefined;
  const owner = (kind: string, name: string | number): string => ownerName(side.direction, kind, name);

  const ids: SegmentIds = {
    take(preferred) {
      gifts++;
      return numbers.take(preferred);
    },
    release(segment) {
      gifts++;
      numbers.release(segment.id);
      const door = doors.get(segment);
      if (door === undefined) return;
      doors.delete(segment);
      numbers.release(door);
      ledger.remove(owner("door", door));
    },
  };
  const layers = policyLayers(side);
  const tiers = createOrderedLayer({ ...options, layer: layers.tiers, ids, pool, rounds: limits.tierRounds });
  const kubernetes = createKubernetesLayer({ ...options, layer: layers.kubernetes, ids, pool });
  const baseline = createOrderedLayer({ ...options, layer: layers.baseline, ids, pool, rounds: limits.rounds });
  const compilers: Readonly<Record<LayerName, LayerCompiler>> = { tiers, kubernetes, baseline };
  const all = Object.values(compilers);

  const doorOf = (layer: LayerName, segment: Segment): number | undefined => {
    const known = doors.get(segment);
    if (known !== undefined) return known;
    gifts++;
    const door = numbers.take(remembered?.doors[segment.id]);
    if (door === undefined) return undefined;
    doors.set(segment, door);
    ledger.set(owner("door", door), [compileDoor(pipeline, layers[layer], door, { id: segment.id, page: segment.page.id })]);
    return door;
  };
  /** What leads a port to the rules of its layers. A pod that some number cannot be given for stays without any, and so closed. */
  const numbersFor = (name: string): PortNumbers | "closed" | undefined => {
    if (closed.has(name)) return "closed";
    const first = tiers.classes.profileOf(name);
    const isolating = kubernetes.classes.profileOf(name);
    const layer = isolating === "free" ? "baseline" : "kubernetes";
    const then = isolating === "free" ? baseline.classes.profileOf(name) : isolating;
    if (first === undefined || then === undefined) return "closed";
    if (first === "free" && then === "free") return undefined;
    const tierProfile = first === "free" ? 0 : first.segments[0].id;
    if (then === "free") return { tierProfile, profile: 0, page: pageOf(first) };
    const [segment] = then.segments;
    if (first === "free") return { tierProfile, profile: segment.id, page: segment.page.id };
    // Where tiers leave the page of the next layer loaded, its rules are met at once.
    const profile = first.segments.length === 1 && first.segments[0].page === segment.page ? segment.id : doorOf(layer, segment);
    return profile === undefined ? "closed" : { tierProfile, profile, page: pageOf(first) };
  };
  const tell = (name: string, port: LocalPort): void => {
    const now = numbersFor(name);
    const last = told.get(name);
    if (last?.port === port && samePlace(last.numbers, now)) return;
    told.set(name, { port, numbers: now });
    if (now === "closed") ledger.remove(owner("port", name));
    else ledger.set(owner("port", name), [compilePort(pipeline, side, { port, numbers: now })]);
  };

  const compilePorts = (ports: SideChange["ports"]): void => {
    if (ports.size === 0) return;
    gifts++;
    /** Ports whose rules change in several layers: only their own flow can bring all of that at once. */
    const several = new Set<string>();
    for (const [name, subject] of ports)
      if (subject !== undefined && layerNames.filter((layer) => compilers[layer].classes.isNew(name, subject.rules[layer])).length > 1)
        several.add(name);
    const moves = {
      wasOpen: (name: string) => told.has(name) && told.get(name)?.numbers !== "closed",
      onlyHere: (name: string) => !several.has(name),
    };
    for (const layer of layerNames)
      compilers[layer].classes.compile(new Map([...ports].map(([name, subject]) => [name, subject?.rules[layer]])), moves);
    for (const [name, subject] of ports)
      if (subject !== undefined) tell(name, subject.port);
      else {
        told.delete(name);
        ledger.remove(owner("port", name));
      }
  };
  const compileLookups = (members: IndexChanges): void => {
    for (const page of pool.pages()) {
      let tables = lookups.get(page);
      if (tables === undefined) {
        tables = createPageLookups({ pipeline, side, page, ledger });
        lookups.set(page, tables);
      }
      tables.compile(members, index);
    }
  };
  const profilesOf = (layer: LayerName): Iterable<Profile> => compilers[layer].classes.profiles;
  const portOf = (flow: Flow): string | undefined => {
    const key = flowKey(flow);
    for (const [name, { port }] of told) if (flowKey(compilePort(pipeline, side, { port, numbers: undefined })) === key) return name;
    return undefined;
  };
  const allocationsNow = (): SideAllocations => ({
    tiers: tiers.allocations(),
    kubernetes: kubernetes.allocations(),
    baseline: baseline.allocations(),
    bits: Object.fromEntries([...pool.pages()].map((page) => [page.id, Object.fromEntries(page.bits())] as const)),
    doors: Object.fromEntries([...doors].map(([{ id }, door]) => [id, door])),
  });
  const placedRules = () => all.flatMap(({ classes }) => [...classes.placedRules()]);

  return {
    compile({ ports, members }) {
      for (const { begin } of all) begin();
      compilePorts(ports);
      for (const { compileMembers } of all) compileMembers(members);
      if (retryRefused) for (const layer of all) layer.retryRefused();
      retryRefused = false;
      compileLookups(members);
    },
    settle() {
      numbers.settle();
      const { freed, left } = pool.settle();
      if (left) gifts++;
      retryRefused ||= freed && all.some(({ rules }) => rules.refused > 0);
      const idle = all.map(({ settle }) => settle()).includes(true);
      return left || idle || retryRefused;
    },
    allocations() {
      const at = gifts + tiers.rules.moves + kubernetes.rules.moves + baseline.rules.moves;
      if (remembering?.at !== at) remembering = { at, allocations: allocationsNow() };
      return remembering.allocations;
    },
    refused: () => {
      // Asked for after each change; there hardly ever is one.
      if (all.every(({ rules }) => rules.refused === 0)) return new Map();
      return new Map(placedRules().flatMap(({ reason, variant }) => (reason === undefined ? [] : [[variant.rule.key, reason] as const])));
    },
    withoutNumbers: () => [...told].flatMap(([name, { numbers: given }]) => (given === "closed" && !closed.has(name) ? [name] : [])),
    dependentsOf: (flows) =>
      dependentsOf(
        {
          pipeline,
          side,
          profiles: { tiers: profilesOf("tiers"), kubernetes: profilesOf("kubernetes"), baseline: profilesOf("baseline") },
          doorOf: (segment) => doors.get(segment),
          portOf,
        },
        flows,
      ),
    close(ports) {
      const before = closed;
      closed = ports;
      for (const name of new Set([...before, ...ports])) {
        const port = told.get(name)?.port;
        if (port !== undefined && before.has(name) !== ports.has(name)) tell(name, port);
      }
    },
    placeOf(name, layer, variants) {
      const profile = compilers[layer].classes.profileOf(name);
      if (profile === undefined || profile === "free") return undefined;
      for (const { key } of variants) {
        const placed = profile.rules.get(key);
        if (placed !== undefined) return placed;
      }
      return undefined;
    },
    figures() {
      const lengths = all.flatMap(({ classes }) => [...classes.profiles].map(({ segments }) => segments.length));
      return {
        profiles: lengths.length,
        rounds: Math.max(0, ...lengths),
        profilesWithRounds: lengths.filter((length) => length > 1).length,
        inlineRules: placedRules().filter(({ form }) => form === "inline").length,
        inlineFlows: all.reduce((sum, { rules }) => sum + rules.inlineFlows, 0),
        refusedRules: all.reduce((sum, { rules }) => sum + rules.refused, 0),
      };
    },
  };
}

const pageOf = (profile: Profile | "free"): number => (profile === "free" ? 0 : profile.segments[0].page.id);

const rememberedIds = (remembered: SideAllocations | undefined): number[] =>
  remembered === undefined
    ? []
    : [
        ...layerNames.flatMap((layer) => Object.values(remembered[layer].ports).flatMap((chain) => chain.map(({ id }) => id))),
        ...Object.values(remembered.doors),
      ];

function samePlace(one: PortNumbers | "closed" | undefined, other: PortNumbers | "closed" | undefined): boolean {
  if (typeof one !== "object" || typeof other !== "object") return one === other;
  return one.tierProfile === other.tierProfile && one.profile === other.profile && one.page === other.page;
}

const ownerName = (direction: Direction, kind: string, name: string | number): string => `policy${direction}/${kind}/${name}`;

/** Who owns the flow in the ledger that gives a port its profiles. */
export const portOwner = (direction: Direction, interfaceName: string): string => ownerName(direction, "port", interfaceName);
