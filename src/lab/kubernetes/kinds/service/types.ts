import type { Service } from "#lib/kube/kinds.ts";
import type { KubeObject } from "#lib/kube/types.ts";

/** A service's spec with the fields that only an API server looks at. */
export interface FullServiceSpec extends NonNullable<Service["spec"]> {
  readonly ipFamilyPolicy?: string;
  readonly externalTrafficPolicy?: string;
  readonly externalName?: string;
  readonly loadBalancerIP?: string;
  readonly allocateLoadBalancerNodePorts?: boolean;
}

export interface FullService extends KubeObject {
  readonly spec?: FullServiceSpec;
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] } };
}
