import { MacAddress } from "#lib/ip/index.ts";
import type { InterfaceAddress } from "./address.ts";
import { LinkNotFound, NamespaceNotFound, NetlinkError } from "./errors.ts";
import type { Link, LinkChange, WhichLink } from "./link.ts";
import type { Netlink, NetworkNamespace } from "./network-namespace.ts";
import { createMemoryRoutes, type MemoryRoutes } from "./memory-routes.ts";
import type { RouteRequest } from "./route.ts";
import type { NetworkEvent } from "./watch.ts";

/** The networks of a machine in memory: what programs configure, without packets. Pure and deterministic. */
export interface MemoryNetwork {
  /** One program's way to it. `call` carries each request and its answer; the default takes no time. */
  connect(options?: { readonly call?: Call }): Netlink;
  /** Makes an interface of the machine's own namespace, as a boot or another program does. */
  addLink(link: {
    readonly name: string;
    readonly mtu: number;
    readonly kind?: string;
    readonly up?: boolean;
    readonly mac?: MacAddress;
  }): number;
  addAddress(address: Omit<InterfaceAddress, "tentative" | "scope">): void;
  removeLink(name: string): void;
  /** Makes a namespace at `path`, as a container runtime does. */
  makeNamespace(path: string): void;
  /** Its interfaces go with it, and the other ends of their pairs. */
  removeNamespace(path: string): void;
}

/** Carries a request to where it is carried out, and the answer back. */
export type Call = <T>(run: () => T) => Promise<T>;

interface Space {
  readonly id: number;
  readonly links: Map<number, Link>;
  addresses: InterfaceAddress[];
  readonly routes: MemoryRoutes;
  // Absent while there are none, as in the namespaces of pods.
  sysctls?: Map<string, string>;
  offloads?: Map<string, boolean>;
  watchers?: Set<(event: NetworkEvent) => void>;
}

const direct: Call = async (run) => {
  await Promise.resolve();
  return run();
};

export function createMemoryNetwork(): MemoryNetwork {
  let lastIndex = 0;
  let lastSpace = 0;
  const newSpace = (): Space => ({
    id: lastSpace++,
    links: new Map(),
    addresses: [],
    routes: createMemoryRoutes(),
  });
  const home = newSpace();
  const spaces = new Map<string, Space>();
  const byId = new Map<number, Space>([[home.id, home]]);
  const tell = (space: Space, event: NetworkEvent): void => {
    for (const watcher of [...(space.watchers ?? [])]) watcher(event);
  };
  const find = (space: Space, which: WhichLink): Link | undefined =>
    "index" in which ? space.links.get(which.index) : [...space.links.values()].find(({ name }) => name === which.name);
  const must = (space: Space, which: WhichLink): Link => {
    const link = find(space, which);
    if (link === undefined) throw new LinkNotFound("index" in which ? String(which.index) : which.name);
    return link;
  };
  const put = (space: Space, link: Link): void => {
    space.links.set(link.index, link);
    tell(space, { kind: "link", change: "new", link });
  };
  const make = (space: Space, link: LinkChange & { readonly name: string; readonly kind?: string; readonly peerIndex?: number }): Link => {
    if (find(space, { name: link.name }) !== undefined) throw new NetlinkError({ what: `new link ${link.name}`, errno: "EEXIST" });
    const index = ++lastIndex;
    const made: Link = {
      index,
      name: link.name,
      alternativeNames: [],
      mac: link.mac ?? new MacAddress(0x0e00_0000_0000n + BigInt(index)),
      mtu: link.mtu ?? 1_500,
      up: link.up ?? false,
      loopback: false,
      carrier: link.up ?? false,
      ...(link.kind === undefined ? {} : { kind: link.kind }),
      ...(link.peerIndex === undefined ? {} : { peerIndex: link.peerIndex }),
    };
    put(space, made);
    return made;
  };
  const removeOne = (space: Space, link: Link): void => {
    space.links.delete(link.index);
    space.addresses = space.addresses.filter(({ linkIndex }) => linkIndex !== link.index);
    for (const route of space.routes.all()) if (route.linkIndex === link.index) space.routes.delete(route);
    tell(space, { kind: "link", change: "deleted", link });
  };
  const remove = (space: Space, link: Link): void => {
    removeOne(space, link);
    if (link.kind !== "veth" || link.peerIndex === undefined) return;
    for (const other of byId.values()) {
      const peer = other.links.get(link.peerIndex);
      if (peer !== undefined) removeOne(other, peer);
    }
  };
  const addAddress = (space: Space, { linkIndex, address, prefixLength }: Omit<InterfaceAddress, "tentative" | "scope">): void => {
    must(space, { index: linkIndex });
    const isSame = (row: InterfaceAddress): boolean =>
      row.linkIndex === linkIndex && row.address.equals(address) && row.prefixLength === prefixLength;
    if (space.addresses.some(isSame)) return;
    const row: InterfaceAddress = { linkIndex, address, prefixLength, scope: "universe", tentative: false };
    space.addresses.push(row);
    tell(space, { kind: "address", change: "new", address: row });
  };
  const replaceRoute = (space: Space, request: RouteRequest): void => {
    const route = space.routes.put(request);
    tell(space, { kind: "route", change: "new", route });
  };

  const namespaceOf = (space: Space, call: Call, path: string | undefined): NetworkNamespace => ({
    ...(path === undefined ? {} : { path }),
    ...(space === home ? {} : { fd: space.id }),
    links: () => call(() => [...space.links.values()]),
    findLink: (which) => call(() => find(space, which)),
    link: (which) => call(() => must(space, which)),
    createVeth: (host, { namespace, ...peer }) =>
      call(() => {
        const other = namespace?.fd === undefined ? space : (byId.get(namespace.fd) ?? space);
        if (find(other, { name: peer.name }) !== undefined) throw new NetlinkError({ what: `new link ${peer.name}`, errno: "EEXIST" });
        const end = make(space, { ...host, kind: "veth", peerIndex: lastIndex + 2 });
        make(other, { ...peer, kind: "veth", peerIndex: end.index });
      }),
    createLink: (link) => call(() => void make(space, link)),
    holdTap: (name) => call(() => void make(space, { name, kind: "tap" })),
    setLink: (which, { namespace: _, ...change }) =>
      call(() => {
        const link = must(space, which);
        put(space, {
          ...link,
          ...(change.mtu === undefined ? {} : { mtu: change.mtu }),
          ...(change.mac === undefined ? {} : { mac: change.mac }),
          ...(change.up === undefined ? {} : { up: change.up, carrier: change.up }),
        });
      }),
    renameLink: (index, name) => call(() => put(space, { ...must(space, { index }), name })),
    addAlternativeName: (index, name) =>
      call(() => {
        const link = must(space, { index });
        put(space, { ...link, alternativeNames: [...link.alternativeNames, name] });
      }),
    removeAlternativeName: (index, name) =>
      call(() => {
        const link = must(space, { index });
        put(space, { ...link, alternativeNames: link.alternativeNames.filter((each) => each !== name) });
      }),
    deleteLink: (which) =>
      call(() => {
        const link = find(space, which);
        if (link !== undefined) remove(space, link);
        return link !== undefined;
      }),
    addresses: ({ linkIndex, family } = {}) =>
      call(() =>
        space.addresses.filter(
          (row) => (linkIndex === undefined || row.linkIndex === linkIndex) && (family === undefined || row.address.family === family),
        ),
      ),
    addAddress: (request) => call(() => addAddress(space, request)),
    deleteAddress: ({ linkIndex, address }) =>
      call(() => {
        const row = space.addresses.find((each) => each.linkIndex === linkIndex && each.address.equals(address));
        if (row === undefined) return false;
        space.addresses = space.addresses.filter((each) => each !== row);
        tell(space, { kind: "address", change: "deleted", address: row });
        return true;
      }),
    routes: ({ family, table, protocol }) =>
      call(() =>
        space.routes.all(
          (row) =>
            row.destination.family === family &&
            (table === undefined || row.table === table) &&
            (protocol === undefined || row.protocol === protocol),
        ),
      ),
    addRoute: (request) =>
      call(() => {
        if (space.routes.has(request)) return false;
        replaceRoute(space, request);
        return true;
      }),
    replaceRoute: (request) => call(() => replaceRoute(space, request)),
    deleteRoute: (request) =>
      call(() => {
        const route = space.routes.delete(request);
        if (route === undefined) return false;
        tell(space, { kind: "route", change: "deleted", route });
        return true;
      }),
    neighbours: () => call(() => []),
    replaceNeighbour: () => call(() => {}),
    deleteNeighbour: () => call(() => false),
    // Every setting exists, as "0" until it is written.
    readSysctl: (path) => call(() => space.sysctls?.get(path) ?? "0"),
    writeSysctl: (path, value) =>
      call(() => {
        space.sysctls ??= new Map();
        space.sysctls.set(path, value);
      }),
    getOffload: (link, feature) => call(() => space.offloads?.get(`${link} ${feature}`) ?? true),
    setOffload: (link, feature, on) =>
      call(() => {
        space.offloads ??= new Map();
        space.offloads.set(`${link} ${feature}`, on);
      }),
    sendFrames: (linkIndex) => call(() => void must(space, { index: linkIndex })),
    conntrack: () => call(() => []),
    deleteConntrack: () => call(() => 0),
    // Nobody has nftables here: what programs put there is in a memory of its own.
    nftablesGeneration: () => call(() => 0),
    changeSetElements: () => call(() => false),
    watch: (_watched, onEvent) =>
      call(() => {
        // An event is heard as an answer is: by the way of the calls.
        const hear = (event: NetworkEvent): void => void call(() => event).then(onEvent, () => {});
        space.watchers ??= new Set();
        space.watchers.add(hear);
        return () => call(() => void space.watchers?.delete(hear));
      }),
    close: () => call(() => {}),
  });

  return {
    connect: ({ call = direct } = {}) => ({
      home: namespaceOf(home, call, undefined),
      open: (path) =>
        call(() => {
          const descriptor = /^\/proc\/self\/fd\/(\d+)$/.exec(path)?.[1];
          const space = descriptor === undefined ? spaces.get(path) : byId.get(Number(descriptor));
          if (space === undefined) throw new NamespaceNotFound(path, "ENOENT");
          return namespaceOf(space, call, path);
        }),
      create: ({ path } = {}) =>
        call(() => {
          const space = newSpace();
          byId.set(space.id, space);
          if (path !== undefined) spaces.set(path, space);
          return namespaceOf(space, call, path);
        }),
      remove: (path) => call(() => void spaces.delete(path)),
      close: () => call(() => {}),
    }),
    addLink: (link) => make(home, { up: true, ...link }).index,
    addAddress: (address) => addAddress(home, address),
    removeLink(name) {
      const link = find(home, { name });
      if (link !== undefined) remove(home, link);
    },
    makeNamespace(path) {
      const space = newSpace();
      byId.set(space.id, space);
      spaces.set(path, space);
    },
    removeNamespace(path) {
      const space = spaces.get(path);
      if (space === undefined) return;
      for (const link of [...space.links.values()]) remove(space, link);
      spaces.delete(path);
      byId.delete(space.id);
    },
  };
}
