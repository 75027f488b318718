import { judge, type World } from "#core/policy/cases/reference.ts";
import type { LocalPort } from "#core/pipeline/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { encodeFrame } from "#lib/packet/index.ts";
import { namespace, ports } from "./worlds.ts";

/** From one pod to another by UDP. */
export interface Way {
  readonly from: LocalPort;
  readonly to: LocalPort;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly port: number;
  readonly title: string;
}

/** All ways between pods, in both families, by every port. */
export function waysBetween(pods: readonly LocalPort[]): readonly Way[] {
  return pods.flatMap((from) =>
    pods.flatMap((to) =>
      from === to
        ? []
        : from.addresses.flatMap((source) =>
            to.addresses.flatMap((destination) =>
              source.family !== destination.family
                ? []
                : ports.map((port) => ({
                    ...{ from, to, source, destination, port },
                    title: `${from.podName} -> ${to.podName} ${port}/udp IPv${source.family}`,
                  })),
            ),
          ),
    ),
  );
}

/** Whether a new connection may begin, as the text of the rules says. */
export function isAllowed(world: World, { from, source, destination, port }: Way): boolean {
  const pod = world.pods.find(({ metadata }) => metadata.namespace === namespace && metadata.name === from.podName);
  if (pod === undefined) throw new RangeError(`${from.podName} is no pod of the world`);
  return judge(world, { from: { pod }, source, destination, protocol: "UDP", port }).allowed;
}

/**
 * The verdicts that a packet may meet while one world becomes the other. `inParts`: in a change of several bundles each end of the way goes over by itself, as
 * the ends of two nodes do always.
 */
export function verdictsBetween(before: World, after: World, way: Way, { inParts }: { readonly inParts: boolean }): ReadonlySet<boolean> {
  const worlds = [before, after];
  if (!inParts) return new Set(worlds.map((world) => isAllowed(world, way)));
  const [leaves, enters] = (["Egress", "Ingress"] as const).map((direction) =>
    worlds.map((world) => isAllowed(inDirection(world, direction), way)),
  );
  return new Set(leaves?.flatMap((out) => enters?.map((into) => out && into) ?? []));
}

/** What is left of the world's policies when those of the other direction are not asked. */
const inDirection = (world: World, direction: "Egress" | "Ingress"): World => ({
  ...world,
  policies: world.policies.flatMap(({ spec, ...policy }) =>
    spec?.policyTypes?.includes(direction) ? [{ ...policy, spec: { ...spec, policyTypes: [direction] } }] : [],
  ),
  antreaPolicies: (world.antreaPolicies ?? []).map(({ spec, ...policy }) =>
    spec === undefined ? policy : { ...policy, spec: { ...spec, ...(direction === "Ingress" ? { egress: [] } : { ingress: [] }) } },
  ),
});

/** Marks frames of ours among what else there is on a wire. */
const mark = 0x4e6f5769;
const payloadBytes = 12;

/** A frame of a way whose source port and number can be changed at little cost. */
export interface FrameTemplate {
  /** The same bytes at each call, with the port and number given. */
  with(sourcePort: number, sender: number, number: number): Uint8Array;
}

export function frameTemplate({
  from,
  to,
  source,
  destination,
  port,
}: Pick<Way, "from" | "to" | "source" | "destination" | "port">): FrameTemplate {
  const payload = new Uint8Array(payloadBytes);
  new DataView(payload.buffer).setUint32(0, mark);
  const udp = { kind: "udp", sourcePort: 0, destinationPort: port, payload } as const;
  const frame = encodeFrame({
    source: from.mac,
    destination: to.mac,
    payload:
      source.family === 4
        ? { kind: "ipv4", source, destination, ttl: 64, payload: udp }
        : { kind: "ipv6", source, destination, hopLimit: 64, payload: udp },
  });
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const at = frame.length - payloadBytes - 8;
  // RFC 1624: the sum of what stands there now; the fields to come are zero in it.
  const sum = ~view.getUint16(at + 6) & 0xffff;
  return {
    with(sourcePort, sender, number) {
      view.setUint16(at, sourcePort);
      view.setUint32(at + 12, sender);
      view.setUint32(at + 16, number);
      let total = sum + sourcePort + (sender >>> 16) + (sender & 0xffff) + (number >>> 16) + (number & 0xffff);
      while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
      view.setUint16(at + 6, ~total & 0xffff || 0xffff);
      return frame;
    },
  };
}

/** Which of our frames this is; undefined when it is none. */
export function readFrame(frame: Uint8Array): { readonly sender: number; readonly number: number } | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const at = frame.length - payloadBytes;
  if (at < 42 || view.getUint32(at) !== mark) return undefined;
  return { sender: view.getUint32(at + 4), number: view.getUint32(at + 8) };
}
