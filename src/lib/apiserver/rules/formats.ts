import { tryParseAddress } from "#lib/ip/address.ts";
import { tryParsePrefix } from "#lib/ip/prefix.ts";

/** Whether text has a format of OpenAPI. Formats that Kubernetes does not check count as fulfilled. */
export function hasFormat(format: string, text: string): boolean {
  const check = Object.hasOwn(formats, format) ? formats[format] : undefined;
  return check === undefined || check(text);
}

const matching =
  (pattern: RegExp) =>
  (text: string): boolean =>
    pattern.test(text);

const uuid = (version: string): RegExp => new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, "i");

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  ipv4: (text) => tryParseAddress(text)?.family === 4,
  ipv6: (text) => tryParseAddress(text)?.family === 6,
  cidr: (text) => tryParsePrefix(text) !== undefined,
  mac: matching(/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$|^([0-9a-f]{4}\.){2}[0-9a-f]{4}$|^([0-9a-f]{2}[:-]){7}[0-9a-f]{2}$/i),
  uuid: matching(uuid("[0-9a-f]")),
  uuid3: matching(uuid("3")),
  uuid4: matching(uuid("4")),
  uuid5: matching(uuid("5")),
  byte: matching(/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)),
  "date-time": isDateTime,
  datetime: isDateTime,
  duration: matching(/^[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/),
  hostname: (text) => text.length <= 253 && /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(text),
  email: matching(/^[^\s@]{1,64}@[^\s@]{1,255}$/),
  uri: (text) => URL.canParse(text) || text.startsWith("/"),
  hexcolor: matching(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
};

function isDateTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?$/.test(text) && !Number.isNaN(Date.parse(text));
}
