import { tryParseAddress } from "#lib/ip/index.ts";

// What texts in `antrea-agent.conf` may look like, where a type does not say it.

/** Linux's IFNAMSIZ without the terminating zero (if.h), and what it refuses in names. */
export const isInterfaceName = (text: string): boolean => /^[^\s/]{1,15}$/.test(text) && text !== "." && text !== "..";

/** A DNS name or an address; IPv6 in brackets or without. */
export const isHost = (text: string): boolean =>
  tryParseAddress(text.replace(/^\[(.*)\]$/, "$1")) !== undefined || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text);

/** `host:port`, IPv6 in brackets. */
export function isEndpoint(text: string): boolean {
  const match = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(text);
  return match !== null && isHost(match[1] ?? "") && isPort(match[2] ?? "");
}

/** `first-last`, first below last. */
export function isPortRange(text: string): boolean {
  const match = /^(\d+)-(\d+)$/.exec(text);
  return match !== null && isPort(match[1] ?? "") && isPort(match[2] ?? "") && Number(match[1]) < Number(match[2]);
}

/** `HOST[:PORT][:PROTOCOL]`; HOST may be `namespace/service`. */
export function isCollector(text: string): boolean {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?(?::(grpc|tls|tcp|udp))?$/.exec(text);
  if (match === null) return false;
  const [, host = "", port] = match;
  return host.split("/").length <= 2 && host.split("/").every(isHost) && (port === undefined || isPort(port));
}

const isPort = (digits: string): boolean => Number(digits) >= 1 && Number(digits) <= 65_535;
