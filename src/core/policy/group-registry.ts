import type { NamespacedName } from "#core/api/controlplane/index.ts";
import { AddressGroup } from "./address-group.ts";
import { AppliedToGroup } from "./applied-to-group.ts";
import { type Audience, JointAudience } from "./audience.ts";
import { groupName } from "./group-name.ts";
import type { GroupReference, GroupSelector } from "./group-selector.ts";
import type { Inventory } from "./inventory.ts";
import type { GroupSource } from "./member-group.ts";
import { NamedSource } from "./named-group.ts";
import { Selector } from "./places.ts";
import type { Groups } from "./policy-row.ts";
import { Roster } from "./roster.ts";

/** What a user's own group consists of at present. */
export interface NamedContent {
  readonly uid: string;
  readonly selectors: readonly GroupSelector[];
}

/** The groups of one name, in the roles it is used in. */
interface Roles {
  peers: AddressGroup | undefined;
  subjects: AppliedToGroup | undefined;
}

/** The groups and audiences in use. They are made when a policy asks for them and forgotten when none does. */
export class GroupRegistry implements Groups {
  private readonly addressGroups = new Roster<AddressGroup>();
  private readonly appliedToGroups = new Roster<AppliedToGroup>();
  /** Of Services and of what users named. The others stand on their selectors. */
  private readonly named = new Map<string, Roles>();
  /** All, from when somebody asks for one by its name. */
  private byName: Map<string, Roles> | undefined;
  private readonly audiences = new Map<string, JointAudience>();
  private readonly ofServices = new Set<AppliedToGroup>();
  private readonly numbers = new Map<AppliedToGroup, number>();
  private readonly inventory: Inventory;
  private readonly contentOf: (group: string) => NamedContent | undefined;
  private numbersGiven = 0;

  /** `contentOf` tells what a named group is; undefined while there is none, which has no members. */
  constructor(inventory: Inventory, contentOf: (group: string) => NamedContent | undefined) {
    this.inventory = inventory;
    this.contentOf = contentOf;
  }

  addressGroup(name: string): AddressGroup | undefined {
    return this.rolesOfName(name)?.peers;
  }

  appliedToGroup(name: string): AppliedToGroup | undefined {
    return this.rolesOfName(name)?.subjects;
  }

  /** What stands under a name that users gave. */
  namedGroup(name: string): Readonly<Roles> | undefined {
    return this.named.get(name);
  }

  allAddressGroups(): IteratorObject<AddressGroup> {
    return this.addressGroups.items.values();
  }

  allAppliedToGroups(): IteratorObject<AppliedToGroup> {
    return this.appliedToGroups.items.values();
  }

  /** The applied-to groups that something on `node` is in, found by what is on it, and those that are on every node. */
  subjectsOn(node: string): ReadonlySet<AppliedToGroup> {
    const found = new Set<AppliedToGroup>();
    const add = (group: AddressGroup | AppliedToGroup | undefined): void => {
      if (group instanceof AppliedToGroup && group.span.has(node)) found.add(group);
    };
    for (const { labelSet } of this.inventory.entitiesOn(node))
      for (const { subjects, named } of this.inventory.selectorsOf(labelSet)) {
        add(subjects);
        for (const group of named) add(group);
      }
    for (const group of this.ofServices) add(group);
    return found;
  }

  peers(reference: GroupReference): AddressGroup {
    if ("service" in reference) throw new TypeError("a Service is no peer");
    const roles = this.rolesOf(reference);
    if (roles.peers === undefined) {
      roles.peers = new AddressGroup(this.sourceOf(reference, roles));
      roles.peers.place = this.addressGroups.add(roles.peers);
      this.made(roles.peers, roles);
    }
    return roles.peers;
  }

  subjects(reference: GroupReference): AppliedToGroup {
    if ("service" in reference) return this.ofService(reference.service);
    const roles = this.rolesOf(reference);
    if (roles.subjects === undefined) {
      roles.subjects = new AppliedToGroup(this.inventory, this.sourceOf(reference, roles));
      roles.subjects.place = this.appliedToGroups.add(roles.subjects);
      this.made(roles.subjects, roles);
    }
    return roles.subjects;
  }

  /** Of these groups, in whatever order and however often each is named. */
  audience(groups: readonly AppliedToGroup[]): Audience {
    const [only] = groups;
    if (only !== undefined && groups.length === 1) return only;
    const distinct = [...new Set(groups)];
    if (only !== undefined && distinct.length === 1) return only;
    const key = distinct
      .map((group) => this.numberOf(group))
      .sort((one, other) => one - other)
      .join(",");
    let audience = this.audiences.get(key);
    if (audience === undefined) {
      audience = new JointAudience(distinct, key);
      this.audiences.set(key, audience);
    }
    return audience;
  }

  /** Gives a named group in use other content. A selector that cannot be read selects nothing: the caller has checked them. */
  changeNamed(group: AddressGroup | AppliedToGroup): void {
    const { source } = group;
    if (!(source instanceof NamedSource)) return;
    const former = source.selectors;
    const content = this.contentOf(group.name);
    const selectors = this.selectorsOf(content);
    for (const selector of selectors) if (!former.includes(selector)) selector.named = [...selector.named, group];
    for (const selector of former) if (!selectors.includes(selector)) this.leave(selector, group);
    source.change({ uid: content?.uid ?? group.name, selectors });
  }

  forgetAudience(audience: JointAudience): void {
    this.audiences.delete(audience.key);
    for (const group of audience.groups) group.joint?.delete(audience);
  }

  forgetAddressGroup(group: AddressGroup): void {
    const moved = this.addressGroups.remove(group.place);
    if (moved !== undefined) moved.place = group.place;
    const { source } = group;
    const roles = source instanceof Selector ? source : this.named.get(group.name);
    if (roles?.peers !== group) return;
    roles.peers = undefined;
    this.forget(group, roles);
  }

  forgetAppliedToGroup(group: AppliedToGroup): void {
    const moved = this.appliedToGroups.remove(group.place);
    if (moved !== undefined) moved.place = group.place;
    this.ofServices.delete(group);
    this.numbers.delete(group);
    const { source } = group;
    const roles = source instanceof Selector ? source : this.named.get(group.name);
    if (roles?.subjects !== group) return;
    roles.subjects = undefined;
    this.forget(group, roles);
  }

  /** A node came or went: the groups that are on all of them. */
  *nodeChanged(node: string, isThere: boolean): IterableIterator<AppliedToGroup> {
    for (const group of this.ofServices) {
      group.nodeChanged(node, isThere);
      yield group;
    }
  }

  private rolesOf(reference: GroupSelector | { readonly group: string }): Roles {
    if (!("group" in reference)) return this.inventory.selector(reference);
    return this.named.get(reference.group) ?? { peers: undefined, subjects: undefined };
  }

  private rolesOfName(name: string): Roles | undefined {
    if (this.byName === undefined) {
      this.byName = new Map(this.named);
      for (const { source } of [...this.addressGroups.items, ...this.appliedToGroups.items])
        if (source instanceof Selector) this.byName.set(source.name, source);
    }
    return this.byName.get(name);
  }

  private sourceOf(reference: GroupSelector | { readonly group: string }, roles: Roles): GroupSource {
    if (roles instanceof Selector) return roles;
    const name = "group" in reference ? reference.group : "";
    const content = this.contentOf(name);
    return new NamedSource({ name, uid: content?.uid ?? name, selectors: this.selectorsOf(content) });
  }

  private made(group: AddressGroup | AppliedToGroup, roles: Roles): void {
    const { source } = group;
    if (source instanceof NamedSource) {
      for (const selector of source.selectors) selector.named = [...selector.named, group];
      this.named.set(source.name, roles);
    }
    this.byName?.set(source.name, roles);
  }

  private forget(group: AddressGroup | AppliedToGroup, roles: Roles): void {
    if (roles.peers === undefined && roles.subjects === undefined) {
      this.byName?.delete(group.name);
      this.named.delete(group.name);
    }
    const { source } = group;
    if (source instanceof Selector) this.leave(source, group);
    else if (source instanceof NamedSource) for (const selector of source.selectors) this.leave(selector, group);
  }

  private ofService(service: NamespacedName): AppliedToGroup {
    const name = groupName(`service=${service.namespace}/${service.name}`);
    const known = this.named.get(name)?.subjects;
    if (known !== undefined) return known;
    const subjects = new AppliedToGroup(this.inventory, new ServiceSource(name), { service, ips: [], ports: [] });
    const roles = { peers: undefined, subjects };
    subjects.place = this.appliedToGroups.add(subjects);
    this.named.set(name, roles);
    this.byName?.set(name, roles);
    this.ofServices.add(subjects);
    return subjects;
  }

  private selectorsOf(content: NamedContent | undefined): readonly Selector[] {
    return [...new Set((content?.selectors ?? []).map((selector) => this.inventory.selector(selector)))];
  }

  private leave(selector: Selector, group: AddressGroup | AppliedToGroup): void {
    if (selector.named.includes(group)) selector.named = selector.named.filter((other) => other !== group);
    if (!selector.used) this.inventory.forgetSelector(selector);
  }

  private numberOf(group: AppliedToGroup): number {
    let number = this.numbers.get(group);
    if (number === undefined) {
      number = this.numbersGiven++;
      this.numbers.set(group, number);
    }
    return number;
  }
}

/** A Service that policies are applied to has no entities. */
class ServiceSource implements GroupSource {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  get uid(): string {
    return this.name;
  }

  contains(): boolean {
    return false;
  }

  eachEntity(): void {}
}
