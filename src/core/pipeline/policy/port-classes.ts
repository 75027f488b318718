import type { LayerAllocations, OrderedPlace, ProfileAllocations } from "./allocations.ts";
import { type ClassOfRules, type PlacedRule, type Profile, type RuleSet, type RuleVariant, sameRules } from "./profile.ts";

/** How the rules of a class of ports are laid out in one layer. */
export interface ProfileForm {
  /** Undefined when there is no number left. `port` is one of its ports, for what is remembered of it. */
  create(rules: RuleSet, port: string): Profile | undefined;
  /** Gives the profile other rules where it is; false when that cannot be, and nothing happened. */
  change(profile: Profile, rules: RuleSet): boolean;
  /** Puts a rule again, where what it matches has changed. */
  again(profile: Profile, variant: RuleVariant): void;
  free(profile: Profile): void;
}

/** What is known of a change of ports beyond the layer. */
export interface PortMoves {
  /** Whether the switch has been told of the port before. */
  wasOpen(name: string): boolean;
  /** Whether the port's rules in other layers stay as they are. */
  onlyHere(name: string): boolean;
}

/** Which ports have equal rules in one layer, and the profile that stands for each such class. */
export interface PortClasses {
  readonly profiles: ReadonlySet<Profile>;
  /** Gives ports their profiles. Undefined: the port is gone. */
  compile(ports: ReadonlyMap<string, ClassOfRules | undefined>, moves: PortMoves): void;
  /** Whether these are other rules than the port has. */
  isNew(name: string, rules: ClassOfRules): boolean;
  /** `free`: the layer has nothing for the port. Undefined: there is no number left for it, or it is not known. */
  profileOf(name: string): Profile | "free" | undefined;
  /** Rules whose peers have other numbers for their named ports. */
  compileNumbers(changed: ReadonlySet<string>): void;
  placedRules(): Iterable<PlacedRule>;
  /** By profile: what is remembered of its rules, as `allocationsOf` says. */
  allocations(allocationsOf: (profile: Profile) => ProfileAllocations): LayerAllocations;
}

export function createPortClasses(form: ProfileForm): PortClasses {
  const profiles = new Set<Profile>();
  const bySignature = new Map<string, Profile>();
  const ofPort = new Map<string, Profile | "free">();

  const rename = (profile: Profile, signature: string): void => {
    if (bySignature.get(profile.signature) === profile) bySignature.delete(profile.signature);
    profile.signature = signature;
    bySignature.set(signature, profile);
  };
  /** The profile with these rules, and the signature that such a one has: by chance another may have the class's own. */
  const withRules = ({ rules, signature }: ClassOfRules): { readonly profile: Profile | undefined; readonly signature: string } => {
    let free = signature;
    for (let found = bySignature.get(free); found !== undefined; found = bySignature.get(free)) {
      if (sameRules(found.rules, rules)) return { profile: found, signature: free };
      free = `${free}'`;
    }
    return { profile: undefined, signature: free };
  };
  const assign = (name: string, after: Profile | "free" | undefined): void => {
    const before = ofPort.get(name);
    if (before === after) return;
    if (before !== undefined && before !== "free") before.ports.delete(name);
    if (after !== undefined && after !== "free") after.ports.add(name);
    if (after === undefined) ofPort.delete(name);
    else ofPort.set(name, after);
  };
  const profileFor = (wanted: ClassOfRules, port: string): Profile | undefined => {
    const { profile: present, signature } = withRules(wanted);
    if (present !== undefined) return present;
    const profile = form.create(wanted.rules, port);
    if (profile === undefined) return undefined;
    profiles.add(profile);
    rename(profile, signature);
    return profile;
  };
  const freeUnused = (): void => {
    for (const profile of [...profiles]) {
      if (profile.ports.size > 0) continue;
      form.free(profile);
      if (bySignature.get(profile.signature) === profile) bySignature.delete(profile.signature);
      profiles.delete(profile);
    }
  };

  return {
    profiles,
    compile(ports, { wasOpen, onlyHere }) {
      const moved = new Map<string, ClassOfRules>();
      const touched = new Set<Profile>();
      /** Profiles that a port leaves for good in this change: until the switch hears so, its packets ask them still. */
      const left = new Set<Profile>();
      for (const [name, rules] of ports) {
        const profile = ofPort.get(name);
        if (profile !== undefined && profile !== "free") (rules === undefined ? left : touched).add(profile);
        if (rules === undefined) assign(name, undefined);
        else moved.set(name, rules);
      }
      /** Those that come to rules from elsewhere: what the profile had before must be gone when they are told to ask it. */
      const coming = (profile: Profile, wanted: ClassOfRules): boolean => {
        for (const [name, rules] of moved) if (isSameClass(rules, wanted) && !profile.ports.has(name) && wasOpen(name)) return true;
        return false;
      };
      for (const profile of touched) {
        // The profile can get other rules in place only when its ports are the same before and after: one that goes elsewhere asks it until its own
        // flow says so, and one that comes from elsewhere before all removals. Either would meet rules that it neither had nor gets.
        const wanted = left.has(profile) ? undefined : commonClass([...profile.ports].map((name) => moved.get(name)));
        if (wanted === undefined || wanted.rules.size === 0 || isFor(profile, wanted)) continue;
        const { profile: present, signature } = withRules(wanted);
        if (present !== undefined || coming(profile, wanted) || ![...profile.ports].every(onlyHere)) continue;
        if (form.change(profile, wanted.rules)) rename(profile, signature);
      }
      // Only now, when no profile gets other rules any more.
      const found = new Map<ClassOfRules, Profile>();
      for (const [name, rules] of moved) {
        if (rules.rules.size === 0) {
          assign(name, "free");
          continue;
        }
        const profile = found.get(rules) ?? profileFor(rules, name);
        if (profile !== undefined) found.set(rules, profile);
        assign(name, profile);
      }
      freeUnused();
    },
    isNew(name, rules) {
      const profile = ofPort.get(name);
      return profile === "free" ? rules.rules.size > 0 : profile === undefined || !isFor(profile, rules);
    },
    profileOf: (name) => ofPort.get(name),
    compileNumbers(changed) {
      if (changed.size === 0) return;
      for (const profile of profiles)
        for (const { variant } of [...profile.rules.values()]) {
          const { peerNames, groups } = variant.rule;
          if (peerNames.length > 0 && groups.some((group) => changed.has(group))) form.again(profile, variant);
        }
    },
    *placedRules() {
      for (const { rules } of profiles) yield* rules.values();
    },
    allocations(allocationsOf) {
      const ports = [...ofPort].flatMap(([name, profile]) =>
        profile === "free" ? [] : [[name, profile.segments.map(({ id, page }) => ({ id, page: page.id }))] as const],
      );
      const inline = new Set<string>();
      const orders: Record<number, readonly OrderedPlace[]> = {};
      for (const profile of profiles) {
        const told = allocationsOf(profile);
        for (const key of told.inline) inline.add(key);
        if (told.order.length > 0) orders[profile.segments[0].id] = told.order;
      }
      return { ports: Object.fromEntries(ports), inline: [...inline], orders };
    },
  };
}

const isFor = (profile: Profile, { rules, signature }: ClassOfRules): boolean =>
  profile.signature.startsWith(signature) && sameRules(rules, profile.rules);

const isSameClass = (one: ClassOfRules, other: ClassOfRules): boolean =>
  one === other || (one.signature === other.signature && sameRules(one.rules, other.rules));

/** The class that all of them are; undefined when two differ, or one is not known. */
function commonClass([first, ...others]: readonly (ClassOfRules | undefined)[]): ClassOfRules | undefined {
  return first !== undefined && others.every((other) => other !== undefined && isSameClass(other, first)) ? first : undefined;
}
