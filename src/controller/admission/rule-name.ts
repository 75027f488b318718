import { hash } from "node:crypto";
import type { AntreaRule } from "#core/api/antrea/policy.ts";

/** Hex digits of the hash in a generated name. */
const hashLength = 7;

/**
 * The name of a rule that has none: of its direction, action and content. The Go implementation gives the same rule the same name, so that who comes from there
 * and applies the same file keeps rule names, and with them generation, statistics and log lines.
 */
export function generatedName(direction: "ingress" | "egress", rule: AntreaRule): string {
  return `${direction}-${(rule.action ?? "").toLowerCase()}-${hash("sha1", goJson(rule), "hex").slice(0, hashLength)}`;
}

/** Fields in the order in which Go declares them, with the fields of what they hold; true: a plain value, or a map of such. */
interface Fields {
  readonly [name: string]: Fields | true;
}

const selector = { matchLabels: true, matchExpressions: { key: true, operator: true, values: true } } as const;
const named = { name: true, namespace: true } as const;
const peer = {
  ipBlock: { cidr: true, except: true },
  podSelector: selector,
  namespaceSelector: selector,
  namespaces: { match: true, sameLabels: true },
  externalEntitySelector: selector,
  group: true,
  fqdn: true,
  serviceAccount: named,
  nodeSelector: selector,
  scope: true,
} as const;
const ruleFields: Fields = {
  action: true,
  ports: { protocol: true, port: true, endPort: true, sourcePort: true, sourceEndPort: true },
  protocols: { icmp: { icmpType: true, icmpCode: true }, igmp: { igmpType: true, groupAddress: true } },
  l7Protocols: { http: { host: true, method: true, path: true }, tls: { sni: true } },
  from: peer,
  to: peer,
  toServices: { ...named, scope: true },
  name: true,
  enableLogging: true,
  logLabel: true,
  appliedTo: {
    podSelector: selector,
    namespaceSelector: selector,
    externalEntitySelector: selector,
    group: true,
    serviceAccount: named,
    service: named,
    nodeSelector: selector,
  },
};

/** The rule as Go writes it: fields in their order, without those that are empty, and three characters of HTML escaped. */
function goJson(rule: AntreaRule): string {
  const text = JSON.stringify(ordered({ ...rule, enableLogging: rule.enableLogging ?? false }, ruleFields));
  return text.replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function ordered(value: unknown, fields: Fields | true): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => ordered(item, fields));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  if (fields === true) return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
  const present = new Map(entries);
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, inner]) => {
      const field = present.get(name);
      return isLeftOut(field, inner) ? [] : [[name, ordered(field, inner)]];
    }),
  );
}

/** An object of fields is written also when none of them is set, a map, a list or a text only with something in it. */
function isLeftOut(value: unknown, fields: Fields | true): boolean {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "object" && (Array.isArray(value) || fields === true) && Object.keys(value).length === 0;
}
