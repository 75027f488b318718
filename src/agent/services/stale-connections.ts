import { ctZones } from "#core/pipeline/conntrack/fields.ts";
import { type Endpoint, endpointKey, type Frontend, frontendKey } from "#core/services/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import type { SwitchControl } from "../platform.ts";
import { errorMessage, type Runtime } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { ServiceRow } from "../flows/index.ts";

const udp = 17;

/** Connections of a frontend that are answered from `responder`: an endpoint, or the frontend's own address where nothing was translated. */
export interface StaleConnections {
  readonly frontend: Pick<Frontend, "address" | "port">;
  readonly responder: Endpoint;
}

/**
 * Forgets UDP connections that lead where a Service does not lead any more: a client that keeps its port would go on with an endpoint that is
 * gone, or with the address it used before there was a Service. TCP notices by itself. Done when the new flows are in force.
 */
export function forgetStaleConnections(options: {
  readonly runtime: Pick<Runtime, "logger">;
  readonly services: ReadTable<ServiceRow>;
  /** Resolves when the switch's flows are those of the rows. */
  readonly whenInForce: () => Promise<void>;
  readonly tracker: ConnectionTracker;
}): void {
  const { runtime, services, whenInForce, tracker } = options;
  const purge = async (stale: readonly StaleConnections[]): Promise<void> => {
    try {
      await whenInForce();
      // Until the switch's cache has followed its flows, a client would be led to the old endpoint again.
      await tracker.settle();
      for (const connections of stale) await tracker.forget(connections);
    } catch (error) {
      runtime.logger.warn("clients of a UDP Service may keep an endpoint that is gone, until they pause", { error: errorMessage(error) });
    }
  };
  services.subscribe(({ before, after }) => {
    const stale = staleOnce(before?.frontends ?? none, after?.frontends ?? none);
    // The rows before the first sync were there before this start, and nothing is stale.
    if (stale.length > 0 && services.synced) void purge(stale);
  });
}

const none: readonly Frontend[] = [];

/** Lists never change: what follows from two of them is worked out once, for all agents of one process that were told of them. */
const known = new WeakMap<readonly Frontend[], { readonly before: readonly Frontend[]; readonly stale: readonly StaleConnections[] }>();
function staleOnce(before: readonly Frontend[], after: readonly Frontend[]): readonly StaleConnections[] {
  const last = known.get(after);
  if (last?.before === before && after !== none) return last.stale;
  const stale = staleConnections(before, after);
  if (after !== none) known.set(after, { before, stale });
  return stale;
}

export function staleConnections(before: readonly Frontend[], after: readonly Frontend[]): StaleConnections[] {
  const now = new Map(after.map((frontend) => [frontendKey(frontend), frontend]));
  const then = new Set(before.map(frontendKey));
  const gone = before.filter(isUdp).flatMap((frontend) => {
    const present = new Set(now.get(frontendKey(frontend))?.endpoints.map(endpointKey));
    return frontend.endpoints.filter((endpoint) => !present.has(endpointKey(endpoint))).map((responder) => ({ frontend, responder }));
  });
  const begun = after.filter((frontend) => isUdp(frontend) && !then.has(frontendKey(frontend)));
  return [...gone, ...begun.map((frontend) => ({ frontend, responder: frontend }))];
}

const isUdp = ({ protocol }: Frontend): boolean => protocol === "UDP";

/** What forgets connections. */
export interface ConnectionTracker {
  /** Resolves when new connections are judged by the present flows: the switch's cache has followed. */
  settle(): Promise<void>;
  /** Looks at protocol, addresses and ports, so that nothing else is lost. */
  forget(stale: StaleConnections): Promise<void>;
}

/** The tracker of a datapath: in the kernel, whose entries `home` knows, or without it inside vswitchd. */
export function connectionTracker(options: { readonly control: SwitchControl; readonly home?: NetworkNamespace }): ConnectionTracker {
  const { control, home } = options;
  const ask = async (command: string, args: readonly string[] = []): Promise<void> => {
    await control(command, args);
  };
  return {
    settle: () => ask("revalidator/wait"),
    async forget({ frontend: { address, port }, responder }) {
      const zone = ctZones[address.family];
      if (home === undefined) {
        const ip = address.family === 4 ? "ct_nw" : "ct_ipv6";
        const original = `${ip}_dst=${address},ct_nw_proto=${udp},ct_tp_dst=${port}`;
        const reply = `${ip}_src=${responder.address},ct_nw_proto=${udp},ct_tp_src=${responder.port}`;
        return ask("dpctl/flush-conntrack", [`zone=${zone}`, original, reply]);
      }
      await home.deleteConntrack({
        address: responder.address,
        zones: [zone],
        which: ({ original, reply }) =>
          original.protocol === udp &&
          original.destinationPort === port &&
          original.destination.equals(address) &&
          reply.sourcePort === responder.port,
      });
    },
  };
}
