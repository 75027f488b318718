import type { ExternalEntity } from "#core/api/antrea/external-entity.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import type { LabelSelector, Pod } from "#lib/kube/index.ts";

// How the parts of the sheet read objects: selectors, blocks, and which pod has an address.

/** What policies are about. */
export type Endpoint = Pod | ExternalEntity;

export const isExternal = (endpoint: Endpoint): endpoint is ExternalEntity => endpoint.kind === "ExternalEntity";

/** A.6: has a node, is not on the host's network and has not ended. */
export function takesPart({ spec, status }: Pod): boolean {
  return Boolean(spec.nodeName) && spec.hostNetwork !== true && status?.phase !== "Succeeded" && status?.phase !== "Failed";
}

export function podAt(world: { readonly pods: readonly Pod[] }, address: IpAddress): Pod | undefined {
  return world.pods.find((pod) => takesPart(pod) && hasAddress(pod, address));
}

/** The pod or ExternalEntity that has an address. */
export function endpointAt(
  world: { readonly pods: readonly Pod[]; readonly externalEntities?: readonly ExternalEntity[] },
  address: IpAddress,
): Endpoint | undefined {
  const isAt = ({ spec }: ExternalEntity): boolean => (spec?.endpoints ?? []).some(({ ip }) => parseAddress(ip).equals(address));
  return podAt(world, address) ?? world.externalEntities?.find(isAt);
}

/** Under which name an agent asks for the policies of an ExternalEntity: that of its ExternalNode, with the namespace where the entity was made of one. */
export function enforcerName({ metadata, spec }: ExternalEntity): string | undefined {
  if (spec?.externalNode === undefined || spec.externalNode === "") return undefined;
  const isMade = (metadata.ownerReferences ?? [])[0]?.kind === "ExternalNode";
  return isMade ? `${metadata.namespace}/${spec.externalNode}` : spec.externalNode;
}

const hasAddress = ({ status }: Pod, address: IpAddress): boolean =>
  (status?.podIPs ?? []).some(({ ip }) => parseAddress(ip).equals(address));

/** A.3.3 */
export function selects(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        case "DoesNotExist":
          return value === undefined;
        default:
          return false;
      }
    })
  );
}

/** Bit by bit, as a person would check it. `::ffff:a.b.c.d/96…128` is a block of IPv4. */
export function isInside(block: string, address: IpAddress): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(block);
  if (mapped !== null && Number(mapped[2]) >= 96) return isInside(`${mapped[1]}/${Number(mapped[2]) - 96}`, address);
  const [text = "", bits = ""] = block.split("/");
  const base = parseAddress(text);
  if (base.family !== address.family) return false;
  const length = address.family === 4 ? 32 : 128;
  return binary(base, length).slice(0, Number(bits)) === binary(address, length).slice(0, Number(bits));
}

const binary = ({ value }: IpAddress, length: number): string => value.toString(2).padStart(length, "0");
