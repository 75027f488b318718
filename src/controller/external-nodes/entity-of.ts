import { hash } from "node:crypto";
import { type ExternalEntity, type ExternalNode, externalNodeKind } from "#core/api/antrea/external-entity.ts";
import { externalNodes } from "#core/api/antrea/resources.ts";
import { apiVersionOf } from "#lib/kube/index.ts";

/** Hex digits of the interface's name, hashed, in the name of an entity. */
const hashLength = 5;

/**
 * The ExternalEntity by which policies know an ExternalNode: its first interface, with the node's labels. Named as the node, or `node-<hash>` where the interface has
 * a name. undefined for a node without an interface or address, which the schema refuses.
 */
export function entityOf({ metadata, spec }: ExternalNode): ExternalEntity | undefined {
  const { name = "", namespace = "", uid = "", labels } = metadata;
  const [{ ips = [], name: interfaceName = "" } = {}] = spec?.interfaces ?? [];
  if (ips.length === 0) return undefined;
  const suffix = interfaceName === "" ? "" : `-${hash("sha1", interfaceName, "hex").slice(0, hashLength)}`;
  return {
    apiVersion: "crd.antrea.io/v1alpha2",
    kind: "ExternalEntity",
    metadata: {
      namespace,
      name: `${name}${suffix}`,
      ...(labels && { labels }),
      ownerReferences: [{ apiVersion: apiVersionOf(externalNodes), kind: externalNodeKind, name, uid }],
    },
    spec: { endpoints: ips.map((ip) => ({ ip, ...(interfaceName && { name: interfaceName }) })), externalNode: name },
  };
}
