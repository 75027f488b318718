import { IpAddress } from "#lib/ip/index.ts";
import { type Key, readField, wordsOf } from "./layout.ts";
import type { Tunnel } from "./packet.ts";

/** The fields that a tunnel port reads. */
export const tunnelFields = ["tun_id", "tun_src", "tun_dst", "tun_ipv6_src", "tun_ipv6_dst"] as const;

const targetWords = [...wordsOf("tun_dst"), ...wordsOf("tun_ipv6_dst")];

/** Where a key's tunnel goes, for comparison. */
export const tunnelTarget = (key: Key): string => targetWords.map((word) => key[word]).join();

/** The tunnel that a key's fields name. */
export function tunnelOf(key: Key): Tunnel {
  const address = (v4: "tun_src" | "tun_dst", v6: "tun_ipv6_src" | "tun_ipv6_dst"): IpAddress | undefined => {
    const four = readField(key, v4);
    const six = readField(key, v6);
    return four !== 0n ? new IpAddress(4, four) : six === 0n ? undefined : new IpAddress(6, six);
  };
  const source = address("tun_src", "tun_ipv6_src");
  const destination = address("tun_dst", "tun_ipv6_dst");
  return {
    id: readField(key, "tun_id"),
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
  };
}
