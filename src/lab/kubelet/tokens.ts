import type { KubeClient } from "#lib/kube/client.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { serviceAccounts } from "#lib/kube/kinds.ts";
import type { RequestToken } from "./volumes.ts";

interface TokenRequest extends KubeObject {
  readonly spec: {
    readonly audiences?: readonly string[];
    readonly expirationSeconds: number;
    readonly boundObjectRef: { readonly kind: "Pod"; readonly apiVersion: "v1"; readonly name: string; readonly uid: string };
  };
  readonly status?: { readonly token: string; readonly expirationTimestamp?: string };
}

/** Tokens are replaced when this part of their life is over, as the stock kubelet does. */
const renewalShare = 0.8;

/** Service account tokens by the TokenRequest API, bound to their pod, each used until it is time to renew it. */
export function createTokenSource({ client, clock }: { readonly client: KubeClient; readonly clock: Clock }): {
  readonly request: RequestToken;
  readonly forget: (uid: string) => void;
} {
  const held = new Map<string, { readonly token: string; readonly renewAt: number }>();
  return {
    async request({ pod, audience, expirationSeconds }) {
      const { namespace = "", name = "", uid = "" } = pod.metadata;
      const key = JSON.stringify([uid, audience, expirationSeconds]);
      const current = held.get(key);
      if (current !== undefined && current.renewAt > clock.wall()) return current.token;
      const request: TokenRequest = {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        metadata: { namespace },
        spec: {
          ...(audience === undefined ? {} : { audiences: [audience] }),
          expirationSeconds,
          boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
        },
      };
      const serviceAccount = pod.spec.serviceAccountName ?? "default";
      const answer = (await client.create<KubeObject>(serviceAccounts, request, {
        name: serviceAccount,
        subresource: "token",
      })) as TokenRequest;
      const token = answer.status?.token ?? "";
      held.set(key, { token, renewAt: clock.wall() + seconds(expirationSeconds) * renewalShare });
      return token;
    },
    forget(uid) {
      for (const key of held.keys()) if (key.startsWith(`["${uid}",`)) held.delete(key);
    },
  };
}
