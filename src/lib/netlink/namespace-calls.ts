import { decodeAddress, encodeAddAddress, encodeDeleteAddress, encodeGetAddresses } from "./address.ts";
import { type ConntrackEntry, decodeConntrack, encodeDeleteConntrack, encodeGetConntrack } from "./conntrack.ts";
import { isErrno, LinkNotFound, MalformedNetlink, NetlinkError } from "./errors.ts";
import { homeNamespace, type NetlinkProtocol, type OpenedNamespace } from "./jobs.ts";
import {
  decodeLink,
  encodeAlternativeName,
  encodeCreateLink,
  encodeCreateVeth,
  encodeDeleteLink,
  encodeGetLink,
  encodeGetLinks,
  encodeRenameLink,
  encodeSetLink,
} from "./link.ts";
import { type Decoded, flag, type Message, messageType, splitMessages } from "./message.ts";
import { decodeNeighbour, encodeDeleteNeighbour, encodeGetNeighbours, encodeReplaceNeighbour } from "./neighbour.ts";
import type { ConntrackFilter, NetworkNamespace } from "./network-namespace.ts";
import { decodeRoute, encodeAddRoute, encodeDeleteRoute, encodeGetRoutes, encodeReplaceRoute } from "./route.ts";
import { decodeGeneration, encodeGetGeneration, encodeSetElements } from "./set-elements.ts";
import { decodeEvents, groupBits } from "./watch.ts";
import type { WorkerClient } from "./worker-client.ts";

/** A dump that the kernel marks as interrupted by a change is read again, this often at most; the last one is taken as it is. */
const dumpTries = 5;

/** The calls of one namespace: encodes here, lets the worker exchange bytes, decodes here. */
export function namespaceCalls(worker: WorkerClient, opened: (OpenedNamespace & { readonly path?: string }) | undefined): NetworkNamespace {
  const namespace = opened?.namespace ?? homeNamespace;

  const exchange = async (message: Uint8Array, protocol: NetlinkProtocol = "route"): Promise<Message[]> =>
    answersIn(await worker.submit({ do: "exchange", namespace, protocol, message }));
  const read = async <T>(message: Uint8Array, decode: (message: Message) => Decoded<T>, protocol?: NetlinkProtocol): Promise<T[]> => {
    for (let attempt = 1; ; attempt++) {
      const messages = await exchange(message, protocol);
      if (attempt < dumpTries && messages.some(({ flags }) => (flags & flag.dumpInterrupted) !== 0)) continue;
      return messages.map((answer) => {
        const decoded = decode(answer);
        if (!decoded.ok) throw new MalformedNetlink(`netlink message ${answer.type}`, decoded.reason);
        return decoded.value;
      });
    }
  };
  const write = async (message: Uint8Array): Promise<void> => void (await exchange(message));
  /** False when the kernel answers one of `unless`: that there is nothing to remove, or no room for what is to be added. */
  const done = async (request: Promise<unknown>, ...unless: readonly string[]): Promise<boolean> => {
    try {
      await request;
      return true;
    } catch (error) {
      if (isErrno(error, ...unless)) return false;
      throw error;
    }
  };
  const conntrackOf = async ({ address, zones, which = () => true }: ConntrackFilter): Promise<ConntrackEntry[]> => {
    const initiated = read(encodeGetConntrack({ source: address, role: "initiator" }), decodeConntrack, "netfilter");
    const answered = read(encodeGetConntrack({ source: address, role: "responder" }), decodeConntrack, "netfilter");
    const found = new Map<string, ConntrackEntry>();
    for (const entry of [...(await initiated), ...(await answered)]) {
      const touched = [entry.original, entry.reply].some(
        ({ source, destination }) => source.equals(address) || destination.equals(address),
      );
      if (touched && (zones === undefined || zones.includes(entry.zone)) && which(entry)) {
        found.set(`${entry.zone} ${Buffer.from(entry.key).toString("hex")}`, entry);
      }
    }
    return [...found.values()];
  };

  const calls: NetworkNamespace = {
    ...(opened === undefined ? {} : { fd: opened.fd }),
    ...(opened?.path === undefined ? {} : { path: opened.path }),

    links: () => read(encodeGetLinks(), decodeLink),
    async findLink(which) {
      try {
        return (await read(encodeGetLink(which), decodeLink))[0];
      } catch (error) {
        if (isErrno(error, "ENODEV")) return undefined;
        throw error;
      }
    },
    async link(which) {
      const link = await calls.findLink(which);
      if (link === undefined) throw new LinkNotFound("name" in which ? which.name : `#${which.index}`);
      return link;
    },
    async createVeth(host, { namespace: home = calls, ...peer }) {
      await write(encodeCreateVeth(host, { ...peer, ...fdOf(home) }));
      if (peer.up) await home.setLink({ name: peer.name }, { up: true });
    },
    createLink: (link) => write(encodeCreateLink(link)),
    holdTap: (name) => worker.submit({ do: "holdTap", namespace, name }),
    setLink: (which, { namespace: target, ...change }) => write(encodeSetLink(which, { ...change, ...fdOf(target) })),
    renameLink: (index, name) => write(encodeRenameLink(index, name)),
    addAlternativeName: (index, name) => write(encodeAlternativeName(index, name, "add")),
    removeAlternativeName: (index, name) => write(encodeAlternativeName(index, name, "remove")),
    deleteLink: (which) => done(worker.submit({ do: "exchangeAside", namespace, message: encodeDeleteLink(which) }), "ENODEV"),

    addresses: (filter = {}) => read(encodeGetAddresses(filter), decodeAddress),
    addAddress: (request) => write(encodeAddAddress(request)),
    deleteAddress: (request) => done(exchange(encodeDeleteAddress(request)), "EADDRNOTAVAIL"),

    async routes(filter) {
      const routes = await read(encodeGetRoutes(filter), decodeRoute);
      const { table, protocol } = filter;
      return routes.filter(
        (route) => (table === undefined || route.table === table) && (protocol === undefined || route.protocol === protocol),
      );
    },
    addRoute: (route) => done(exchange(encodeAddRoute(route)), "EEXIST"),
    replaceRoute: (route) => write(encodeReplaceRoute(route)),
    deleteRoute: (route) => done(exchange(encodeDeleteRoute(route)), "ESRCH", "ENODEV"),

    async neighbours({ linkIndex, ...filter } = {}) {
      const neighbours = await read(encodeGetNeighbours(filter), decodeNeighbour);
      return linkIndex === undefined ? neighbours : neighbours.filter((neighbour) => neighbour.linkIndex === linkIndex);
    },
    replaceNeighbour: (entry) => write(encodeReplaceNeighbour(entry)),
    deleteNeighbour: (entry) => done(exchange(encodeDeleteNeighbour(entry)), "ENOENT", "ENODEV"),

    async readSysctl(path) {
      try {
        return await worker.submit({ do: "readSysctl", namespace, path: sysctlPath(path) });
      } catch (error) {
        if (isErrno(error, "ENOENT")) return undefined;
        throw error;
      }
    },
    writeSysctl: async (path, value) => worker.submit({ do: "writeSysctl", namespace, path: sysctlPath(path), value }),
    getOffload: (link, feature) => worker.submit({ do: "getOffload", namespace, link, feature }),
    setOffload: (link, feature, on) => worker.submit({ do: "setOffload", namespace, link, feature, on }),
    sendFrames: (linkIndex, frames) => worker.submit({ do: "sendFrames", namespace, linkIndex, frames }),

    async conntrack(filter) {
      if (filter !== undefined) return conntrackOf(filter);
      const families = await Promise.all(
        ([4, 6] as const).map((family) => read(encodeGetConntrack({ family }), decodeConntrack, "netfilter")),
      );
      return families.flat();
    },
    async deleteConntrack(filter) {
      const entries = await conntrackOf(filter);
      const deleted = await Promise.all(entries.map((entry) => done(exchange(encodeDeleteConntrack(entry), "netfilter"), "ENOENT")));
      return deleted.filter(Boolean).length;
    },

    async nftablesGeneration() {
      const [generation] = await read(encodeGetGeneration(), decodeGeneration, "netfilter");
      if (generation === undefined) throw new MalformedNetlink("generation of nftables", "no answer");
      return generation;
    },
    changeSetElements: (changes, { generation }) => done(exchange(encodeSetElements(changes, generation), "netfilter"), "ERESTART"),

    async watch(watched, onEvent) {
      const stops: (() => Promise<void>)[] = [];
      for (const [protocol, groups] of groupBits(watched)) {
        const watching = await worker.submit({ do: "watch", namespace, protocol, groups });
        const stopListening = worker.listen(watching, (chunk) => {
          if (protocol === "netfilter") onEvent({ kind: "nftables" });
          else for (const event of chunk === undefined ? [{ kind: "overrun" } as const] : decodeEvents(chunk)) onEvent(event);
        });
        stops.push(async () => {
          stopListening();
          await worker.submit({ do: "unwatch", watch: watching.watch });
        });
      }
      return async () => {
        await Promise.all(stops.map((stop) => stop()));
      };
    },

    async close() {
      if (opened !== undefined) await worker.submit({ do: "closeNamespace", namespace });
    },
  };
  return calls;
}

/** The messages of all chunks that carry something: no acknowledgement, no end of a dump. */
function answersIn(chunks: readonly Uint8Array[]): Message[] {
  return chunks.flatMap((chunk) => {
    const split = splitMessages(chunk);
    if (!split.ok) throw new MalformedNetlink("netlink dump", split.reason);
    return split.value.filter(({ type }) => type > messageType.overrun);
  });
}

function fdOf(namespace: NetworkNamespace | undefined): { readonly namespaceFd?: number } {
  return namespace?.fd === undefined ? {} : { namespaceFd: namespace.fd };
}

/** Settings below /proc/sys/net only, and no way out of there: interface names come from outside. */
function sysctlPath(path: string): string {
  if (!/^net(\/[\w.@:~-]+)+$/.test(path) || path.split("/").includes(".."))
    throw new NetlinkError({ what: `sysctl ${path}`, errno: "EINVAL" });
  return path;
}
