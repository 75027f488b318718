import { type FieldError, forbiddenField, invalid, notSupported, required } from "#lib/apiserver/field-error.ts";
import { type Prefix, tryParsePrefix } from "#lib/ip/prefix.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "#lib/kube/kinds.ts";
import { checkPortName, checkPortNumber, checkProtocol, checkSelector } from "./rules.ts";

/** What an API server refuses in a NetworkPolicy. */
export function checkNetworkPolicy({ spec = {} }: NetworkPolicy): FieldError[] {
  const { ingress = [], egress = [], policyTypes = [] } = spec;
  const rule = (
    path: string,
    peers: readonly NetworkPolicyPeer[] = [],
    ports: readonly NetworkPolicyPort[] = [],
    list = "from",
  ): FieldError[] => [
    ...ports.flatMap((port, index) => checkPort(`${path}.ports[${index}]`, port)),
    ...peers.flatMap((peer, index) => checkPeer(`${path}.${list}[${index}]`, peer)),
  ];
  return [
    ...checkSelector("spec.podSelector", spec.podSelector),
    ...ingress.flatMap(({ from, ports }, index) => rule(`spec.ingress[${index}]`, from, ports)),
    ...egress.flatMap(({ to, ports }, index) => rule(`spec.egress[${index}]`, to, ports, "to")),
    ...checkPolicyTypes(policyTypes),
  ];
}

const directions = ["Egress", "Ingress"];

function checkPolicyTypes(policyTypes: readonly string[]): FieldError[] {
  if (policyTypes.length > 2) return [invalid("spec.policyTypes", policyTypes, "may not specify more than two policyTypes")];
  return policyTypes.flatMap((type, index) =>
    directions.includes(type) ? [] : [notSupported(`spec.policyTypes[${index}]`, type, directions)],
  );
}

function checkPort(path: string, { protocol = "TCP", port, endPort }: NetworkPolicyPort): FieldError[] {
  const own =
    typeof port === "string" ? checkPortName(`${path}.port`, port) : port === undefined ? [] : checkPortNumber(`${path}.port`, port);
  return [
    ...checkProtocol(`${path}.protocol`, protocol),
    ...own,
    ...(endPort === undefined ? [] : checkEndPort(`${path}.endPort`, endPort, port)),
  ];
}

function checkEndPort(path: string, endPort: number, port: number | string | undefined): FieldError[] {
  if (port === undefined) return [invalid(path, endPort, "may not be specified when `port` is not specified")];
  if (typeof port === "string") return [invalid(path, endPort, "may not be specified when `port` is non-numeric")];
  if (endPort < port) return [invalid(path, endPort, "must be greater than or equal to `port`")];
  return checkPortNumber(path, endPort);
}

function checkPeer(path: string, { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): FieldError[] {
  const selectors = (podSelector == null ? 0 : 1) + (namespaceSelector == null ? 0 : 1);
  if (selectors === 0 && ipBlock == null) return [required(path, "must specify a peer")];
  if (selectors > 0 && ipBlock != null) return [forbiddenField(path, "may not specify both ipBlock and another peer")];
  return [
    ...checkSelector(`${path}.podSelector`, podSelector),
    ...checkSelector(`${path}.namespaceSelector`, namespaceSelector),
    ...(ipBlock == null ? [] : checkBlock(`${path}.ipBlock`, ipBlock)),
  ];
}

const wrongBlock = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

function checkBlock(path: string, { cidr, except = [] }: NonNullable<NetworkPolicyPeer["ipBlock"]>): FieldError[] {
  if (!cidr) return [required(`${path}.cidr`)];
  const block = tryParsePrefix(cidr);
  if (block === undefined) return [invalid(`${path}.cidr`, cidr, wrongBlock)];
  return except.flatMap((text, index) => {
    const at = `${path}.except[${index}]`;
    const inner = tryParsePrefix(text);
    if (inner === undefined) return [invalid(at, text, wrongBlock)];
    return within(inner, block) ? [] : [invalid(at, text, "must be a strict subset of `cidr`")];
  });
}

const within = (inner: Prefix, outer: Prefix): boolean =>
  outer.covers(inner) && inner.family === outer.family && inner.length > outer.length;
