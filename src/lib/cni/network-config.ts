import { CniError } from "./errors.ts";
import type { Dns } from "./result.ts";
import { type CniVersion, implicitVersion, isSupportedVersion, supportedVersions } from "./versions.ts";

/** The network configuration on standard input, as far as a plugin of ours looks at it. */
export interface NetworkConfig {
  readonly version: CniVersion;
  readonly name: string;
  readonly type: string;
  /** 0 or absent: the agent's own. */
  readonly mtu?: number;
  readonly ipamType?: string;
  readonly dns: Dns;
  /** The result of the ADD before, for CHECK and chained plugins. */
  readonly previous?: PreviousResult;
  /** Attachments that are still wanted, for GC. */
  readonly validAttachments?: readonly { readonly containerId: string; readonly ifname: string }[];
}

/** An earlier result, of any version since 0.3.0, as texts. */
export interface PreviousResult {
  readonly interfaces: readonly { readonly name: string; readonly mac?: string; readonly sandbox?: string }[];
  /** `address/length`. */
  readonly addresses: readonly string[];
}

/** Reads the configuration; throws {@link CniError} 1, 6 or 7 with the field's name in it. Unknown fields are none of our business. */
export function parseNetworkConfig(text: string): NetworkConfig {
  const config = fieldsOf(parse(text), "network configuration");
  const version = config.cniVersion === undefined ? implicitVersion : textAt(config, "cniVersion");
  if (!isSupportedVersion(version)) {
    throw new CniError("incompatibleVersion", `cniVersion ${JSON.stringify(version)} is none of ${supportedVersions.join(", ")}`);
  }
  const mtu = config.mtu;
  if (mtu !== undefined && (typeof mtu !== "number" || !Number.isInteger(mtu) || mtu < 0 || mtu > largestMtu)) {
    throw invalid("mtu", `${JSON.stringify(mtu)} is no whole number from 0 to ${largestMtu}`);
  }
  const ipam = config.ipam === undefined ? undefined : fieldsOf(config.ipam, "ipam");
  const attachments = config["cni.dev/valid-attachments"];
  return {
    version,
    name: textAt(config, "name"),
    type: textAt(config, "type"),
    dns: dnsOf(config),
    ...(mtu === undefined ? {} : { mtu }),
    ...(ipam?.type === undefined ? {} : { ipamType: textAt(ipam, "type", "ipam.") }),
    ...(config.prevResult === undefined ? {} : { previous: previousOf(fieldsOf(config.prevResult, "prevResult")) }),
    ...(attachments === undefined ? {} : { validAttachments: attachmentsOf(attachments) }),
  };
}

const largestMtu = 65_535;

type Fields = Readonly<Record<string, unknown>>;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CniError("decodingFailure", `network configuration on standard input is no JSON: ${(error as Error).message}`);
  }
}

/** `runtimeConfig.dns` (servers, searches) is what the runtime wants now, `dns` what the file says. */
function dnsOf(config: Fields): Dns {
  const runtime = config.runtimeConfig === undefined ? {} : fieldsOf(config.runtimeConfig, "runtimeConfig");
  const wanted = runtime.dns === undefined ? {} : fieldsOf(runtime.dns, "runtimeConfig.dns");
  const dns = config.dns === undefined ? {} : fieldsOf(config.dns, "dns");
  const nameservers = textsAt(wanted, "servers", "runtimeConfig.dns.") ?? textsAt(dns, "nameservers", "dns.");
  const search = textsAt(wanted, "searches", "runtimeConfig.dns.") ?? textsAt(dns, "search", "dns.");
  const options = textsAt(wanted, "options", "runtimeConfig.dns.") ?? textsAt(dns, "options", "dns.");
  return {
    ...(nameservers === undefined ? {} : { nameservers }),
    ...(dns.domain === undefined ? {} : { domain: textAt(dns, "domain", "dns.") }),
    ...(search === undefined ? {} : { search }),
    ...(options === undefined ? {} : { options }),
  };
}

function previousOf(previous: Fields): PreviousResult {
  const interfaces = listAt(previous, "interfaces", "prevResult.").map((entry, index) => {
    const at = `prevResult.interfaces[${index}]`;
    const fields = fieldsOf(entry, at);
    return {
      name: textAt(fields, "name", `${at}.`),
      ...(fields.mac === undefined ? {} : { mac: textAt(fields, "mac", `${at}.`) }),
      ...(fields.sandbox === undefined ? {} : { sandbox: textAt(fields, "sandbox", `${at}.`) }),
    };
  });
  const addresses = listAt(previous, "ips", "prevResult.").map((entry, index) =>
    textAt(fieldsOf(entry, `prevResult.ips[${index}]`), "address", `prevResult.ips[${index}].`),
  );
  return { interfaces, addresses };
}

function attachmentsOf(value: unknown): { containerId: string; ifname: string }[] {
  const at = "cni.dev/valid-attachments";
  if (!Array.isArray(value)) throw invalid(at, "is no list");
  return value.map((entry: unknown, index) => {
    const fields = fieldsOf(entry, `${at}[${index}]`);
    return { containerId: textAt(fields, "containerID", `${at}[${index}].`), ifname: textAt(fields, "ifname", `${at}[${index}].`) };
  });
}

function fieldsOf(value: unknown, field: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(field, "is no object");
  return value as Fields;
}

function textAt(fields: Fields, name: string, prefix = ""): string {
  const value = fields[name];
  if (typeof value !== "string") throw invalid(`${prefix}${name}`, value === undefined ? "is missing" : "is no text");
  return value;
}

function textsAt(fields: Fields, name: string, prefix: string): readonly string[] | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === "string")) throw invalid(`${prefix}${name}`, "is no list of texts");
  return value;
}

function listAt(fields: Fields, name: string, prefix: string): readonly unknown[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value)) throw invalid(`${prefix}${name}`, "is no list");
  return value;
}

function invalid(field: string, problem: string): CniError {
  return new CniError("invalidConfig", `network configuration: ${field} ${problem}`);
}
