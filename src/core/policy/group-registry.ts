import type { NamespacedName } from "#core/api/controlplane/index.ts";
import { AddressGroup } from "./address-group.ts";
import { groupName } from "./group-name.ts";
import { AppliedToGroup } from "./applied-to-group.ts";
import { Audience } from "./audience.ts";
import type { GroupReference, GroupSelector } from "./group-selector.ts";
import type { Inventory } from "./inventory.ts";
import type { GroupContent } from "./member-group.ts";
import type { Selector } from "./places.ts";
import type { Groups } from "./policy-row.ts";

/** What a user's own group consists of at present. */
export interface NamedContent {
  readonly uid: string;
  readonly selectors: readonly GroupSelector[];
}

/** The groups and audiences in use. They are made when a policy asks for them and forgotten when none does. */
export class GroupRegistry implements Groups {
  readonly addressGroups = new Map<string, AddressGroup>();
  readonly appliedToGroups = new Map<string, AppliedToGroup>();
  private readonly audiences = new Map<string, Audience>();
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

  peers(reference: GroupReference): AddressGroup {
    if ("service" in reference) throw new TypeError("a Service is no peer");
    if ("group" in reference)
      return this.named(this.addressGroups, reference.group, (content) => new AddressGroup(this.inventory, content));
    const selector = this.inventory.selector(reference);
    if (selector.peers === undefined) {
      selector.peers = new AddressGroup(this.inventory, contentOfSelector(selector));
      this.addressGroups.set(selector.name, selector.peers);
    }
    return selector.peers;
  }

  subjects(reference: GroupReference): AppliedToGroup {
    if ("service" in reference) return this.ofService(reference.service);
    if ("group" in reference)
      return this.named(this.appliedToGroups, reference.group, (content) => new AppliedToGroup(this.inventory, content));
    const selector = this.inventory.selector(reference);
    if (selector.subjects === undefined) {
      selector.subjects = new AppliedToGroup(this.inventory, contentOfSelector(selector));
      this.appliedToGroups.set(selector.name, selector.subjects);
    }
    return selector.subjects;
  }

  audience(groups: readonly AppliedToGroup[]): Audience {
    const [only] = groups;
    if (only !== undefined && groups.length === 1) {
      only.alone ??= new Audience(groups, "");
      return only.alone;
    }
    const key = groups
      .map((group) => this.numberOf(group))
      .sort((one, other) => one - other)
      .join(",");
    let audience = this.audiences.get(key);
    if (audience === undefined) {
      audience = new Audience(groups, key);
      this.audiences.set(key, audience);
    }
    return audience;
  }

  /** Gives a named group in use other content. A selector that cannot be read selects nothing: the caller has checked them. */
  changeNamed(group: AddressGroup | AppliedToGroup): void {
    const former = group.selectors;
    const content = this.contentOf(group.name);
    const selectors = this.selectorsOf(content);
    group.uid = content?.uid ?? group.name;
    for (const selector of selectors) if (!former.includes(selector)) selector.named = [...selector.named, group];
    for (const selector of former) if (!selectors.includes(selector)) this.leave(selector, group);
    group.setSelectors(selectors);
  }

  forgetAudience(audience: Audience): void {
    if (audience.key === "" && audience.groups.length === 1) {
      const [only] = audience.groups;
      if (only !== undefined) only.alone = undefined;
    } else this.audiences.delete(audience.key);
    for (const group of audience.groups) group.audiences.delete(audience);
  }

  forgetAddressGroup(group: AddressGroup): void {
    this.addressGroups.delete(group.name);
    for (const selector of group.selectors) {
      if (selector.peers === group) selector.peers = undefined;
      this.leave(selector, group);
    }
  }

  forgetAppliedToGroup(group: AppliedToGroup): void {
    this.appliedToGroups.delete(group.name);
    this.ofServices.delete(group);
    this.numbers.delete(group);
    for (const selector of group.selectors) {
      if (selector.subjects === group) selector.subjects = undefined;
      this.leave(selector, group);
    }
  }

  /** A node came or went: the groups that are on all of them. */
  *nodeChanged(node: string, isThere: boolean): IterableIterator<AppliedToGroup> {
    for (const group of this.ofServices) {
      group.nodeChanged(node, isThere);
      yield group;
    }
  }

  private ofService(service: NamespacedName): AppliedToGroup {
    const name = groupName(`service=${service.namespace}/${service.name}`);
    let group = this.appliedToGroups.get(name);
    if (group === undefined) {
      group = new AppliedToGroup(this.inventory, { name, uid: name, selectors: [], named: false }, { service, ips: [], ports: [] });
      this.appliedToGroups.set(name, group);
      this.ofServices.add(group);
    }
    return group;
  }

  private named<Group extends AddressGroup | AppliedToGroup>(
    groups: Map<string, Group>,
    name: string,
    make: (content: GroupContent) => Group,
  ): Group {
    const known = groups.get(name);
    if (known !== undefined) return known;
    const content = this.contentOf(name);
    const selectors = this.selectorsOf(content);
    const made = make({ name, uid: content?.uid ?? name, selectors, named: true });
    for (const selector of selectors) selector.named = [...selector.named, made];
    groups.set(name, made);
    return made;
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

const contentOfSelector = (selector: Selector): GroupContent => ({
  name: selector.name,
  uid: selector.name,
  selectors: [selector],
  named: false,
});
