import { ctZones } from "#core/pipeline/conntrack/fields.ts";
import { type IpAddress, tryParseAddress } from "#lib/ip/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import type { SwitchControl } from "../platform.ts";

/**
 * The addresses that connections of pods lead to: whom they were begun towards, and who answers them where a Service stands between. `home` knows the
 * kernel's tracker; without it vswitchd's own is asked for its text, of our zones alone.
 */
export function trackedDestinations(options: {
  readonly control: SwitchControl;
  readonly home?: Pick<NetworkNamespace, "conntrack">;
}): () => Promise<Iterable<IpAddress>> {
  const { control, home } = options;
  const zones: ReadonlySet<number> = new Set(Object.values(ctZones));
  return async () => {
    if (home !== undefined) {
      const ours = (await home.conntrack()).filter(({ zone }) => zones.has(zone));
      return ours.flatMap(({ original, reply }) => [original.destination, reply.source]);
    }
    const texts = await Promise.all([...zones].map((zone) => control("dpctl/dump-conntrack", [`zone=${zone}`])));
    return destinationsIn(texts.join("\n"));
  };
}

/** States in which a TCP connection carries nothing any more. */
const over = /\bstate=(TIME_WAIT|CLOSED?|LAST_ACK)\b/;

/** Reads lines such as `tcp,orig=(src=…,dst=A,…),reply=(src=B,dst=…,…),zone=…,protoinfo=(state=ESTABLISHED)`. Total: others tell nothing. */
export function destinationsIn(dump: string): IpAddress[] {
  const found = new Set<string>();
  for (const line of dump.split("\n")) {
    const [, asked, answering] = /orig=\([^)]*\bdst=([^,)]+).*?reply=\(src=([^,)]+)/.exec(line) ?? [];
    if (asked === undefined || answering === undefined || over.test(line)) continue;
    found.add(asked).add(answering);
  }
  return [...found].flatMap((text) => tryParseAddress(text) ?? []);
}
