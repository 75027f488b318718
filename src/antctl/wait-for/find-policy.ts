import type { PolicyReference, PolicyType } from "#core/api/controlplane/index.ts";
import { type Endpoint, isMissing } from "../endpoint.ts";
import { PolicyNotFound } from "../errors.ts";
import type { Mode } from "../mode.ts";

/** A policy's name as users have it. */
export interface PolicyName {
  readonly name: string;
  /** Absent: a policy of the whole cluster. */
  readonly namespace?: string;
  /** Absent: whichever there is. */
  readonly type?: PolicyKind;
}

/** Whom to wait for. */
export interface FoundPolicy {
  readonly uid: string;
  /** As it is written. In a controller's Pod: as the controller has computed it. */
  readonly generation: number;
  readonly type: PolicyKind;
}

interface Kind {
  readonly type: PolicyType;
  readonly namespaced: boolean;
  readonly api: string;
  readonly plural: string;
}

/** By the short name that kubectl knows it by. */
const kinds = {
  acnp: { type: "AntreaClusterNetworkPolicy", namespaced: false, api: "crd.antrea.io/v1beta1", plural: "clusternetworkpolicies" },
  annp: { type: "AntreaNetworkPolicy", namespaced: true, api: "crd.antrea.io/v1beta1", plural: "networkpolicies" },
  netpol: { type: "K8sNetworkPolicy", namespaced: true, api: "networking.k8s.io/v1", plural: "networkpolicies" },
  cnp: { type: "K8sClusterNetworkPolicy", namespaced: false, api: "policy.networking.k8s.io/v1alpha2", plural: "clusternetworkpolicies" },
  anp: { type: "AdminNetworkPolicy", namespaced: false, api: "policy.networking.k8s.io/v1alpha1", plural: "adminnetworkpolicies" },
  banp: {
    type: "BaselineAdminNetworkPolicy",
    namespaced: false,
    api: "policy.networking.k8s.io/v1alpha1",
    plural: "baselineadminnetworkpolicies",
  },
} as const satisfies Readonly<Record<string, Kind>>;
export type PolicyKind = keyof typeof kinds;

export const policyKinds = Object.keys(kinds) as PolicyKind[];

/** Finds the policy, as it is now. Undefined where nobody has it. Throws {@link PolicyNotFound} when the name means several. */
export async function findPolicy(ask: Endpoint, mode: Mode, wanted: PolicyName): Promise<FoundPolicy | undefined> {
  const candidates = policyKinds.filter(
    (kind) => (wanted.type ?? kind) === kind && kinds[kind].namespaced === (wanted.namespace !== undefined),
  );
  const found = mode === "remote" ? await written(ask, candidates, wanted) : await computed(ask, candidates, wanted);
  if (found.length > 1)
    throw new PolicyNotFound(`${wanted.name} is the name of several policies: say --type ${found.map(({ type }) => type).join(" or ")}`);
  return found[0];
}

/** The Kubernetes API has what users wrote last. */
async function written(ask: Endpoint, candidates: readonly PolicyKind[], { name, namespace }: PolicyName): Promise<FoundPolicy[]> {
  const found: FoundPolicy[] = [];
  for (const type of candidates) {
    const { api, plural } = kinds[type];
    const folder = namespace === undefined ? "" : `namespaces/${encodeURIComponent(namespace)}/`;
    try {
      const object = (await ask(`/apis/${api}/${folder}${plural}/${encodeURIComponent(name)}`)) as {
        readonly metadata?: { readonly uid?: string; readonly generation?: number };
      };
      const { uid, generation = 0 } = object.metadata ?? {};
      if (uid !== undefined) found.push({ uid, generation, type });
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return found;
}

async function computed(ask: Endpoint, candidates: readonly PolicyKind[], { name, namespace }: PolicyName): Promise<FoundPolicy[]> {
  const { items = [] } = (await ask("/apis/controlplane.antrea.io/v1beta2/networkpolicies")) as {
    readonly items?: readonly { readonly metadata?: { readonly generation?: number }; readonly sourceRef?: PolicyReference }[];
  };
  return candidates.flatMap((type) =>
    items.flatMap(({ metadata, sourceRef }) => {
      const isIt = sourceRef?.type === kinds[type].type && sourceRef.name === name && (sourceRef.namespace || undefined) === namespace;
      return isIt ? [{ uid: sourceRef.uid, generation: metadata?.generation ?? 0, type }] : [];
    }),
  );
}
