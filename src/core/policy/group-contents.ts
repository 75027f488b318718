import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { Service } from "#lib/kube/index.ts";
import { type GroupContent, groupKey, lowerGroup } from "./lowering/groups.ts";

/** What users' own groups consist of, following their children and Services. A change is told once things have come to rest. */
export class GroupContents {
  private readonly groups = new Map<string, AntreaGroup>();
  private readonly services = new Map<string, Service>();
  private readonly contents = new Map<string, GroupContent>();
  /** Groups by what they name: `Service namespace/name`, `group key`. */
  private readonly naming = new Map<string, Set<string>>();
  private readonly stale = new Set<string>();
  private readonly changed: (key: string, content: GroupContent | undefined) => void;

  constructor(changed: (key: string, content: GroupContent | undefined) => void) {
    this.changed = changed;
  }

  get(key: string): GroupContent | undefined {
    return this.contents.get(key);
  }

  entries(): MapIterator<[string, GroupContent]> {
    return this.contents.entries();
  }

  setService(key: string, service: Service | undefined): void {
    if (service === undefined) this.services.delete(key);
    else this.services.set(key, service);
    this.lookAtNaming(`Service ${key}`);
  }

  setGroup(key: string, group: AntreaGroup | undefined): void {
    const before = this.groups.get(key);
    for (const token of tokensOf(before)) this.naming.get(token)?.delete(key);
    if (group === undefined) this.groups.delete(key);
    else this.groups.set(key, group);
    for (const token of tokensOf(group)) this.naming.set(token, (this.naming.get(token) ?? new Set()).add(key));
    for (const token of tokensOf(before)) if (this.naming.get(token)?.size === 0) this.naming.delete(token);
    this.lookAt(key);
  }

  /** Works out what may have changed, and tells it. */
  settle(): void {
    const context = { service: (key: string) => this.services.get(key), group: (key: string) => this.groups.get(key) };
    for (const key of this.stale) {
      const group = this.groups.get(key);
      const content = group && lowerGroup(group, context);
      if (content === undefined) this.contents.delete(key);
      else this.contents.set(key, content);
      this.changed(key, content);
    }
    this.stale.clear();
  }

  private lookAt(key: string): void {
    if (this.stale.has(key)) return;
    this.stale.add(key);
    this.lookAtNaming(`group ${key}`);
  }

  private lookAtNaming(token: string): void {
    for (const key of this.naming.get(token) ?? []) this.lookAt(key);
  }
}

function tokensOf(group: AntreaGroup | undefined): readonly string[] {
  if (group === undefined) return [];
  const { namespace } = group.metadata;
  const { serviceReference, childGroups = [] } = group.spec ?? {};
  const children = childGroups.map((name) => `group ${groupKey(namespace, name)}`);
  return serviceReference === undefined
    ? children
    : [...children, `Service ${serviceReference.namespace ?? namespace ?? ""}/${serviceReference.name}`];
}
