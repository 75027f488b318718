import type { KubeObject } from "#lib/kube/types.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { type Duration, hours, minutes, seconds } from "#lib/runtime/duration.ts";
import { type Random, uuid } from "#lib/runtime/random.ts";
import { badRequest, invalidObject, notFound, unauthorized } from "../errors.ts";
import { invalid } from "../field-error.ts";
import type { Lookup } from "../resource.ts";
import { timestamp } from "../rules/create.ts";
import type { SubresourceHandler } from "../subresource.ts";
import { serviceAccountUser, type UserInfo } from "../user.ts";
import { type Authenticator, bearerToken, type TokenUser } from "./authenticator.ts";
import { createTokenSigner, type PublicJsonWebKey } from "./json-web-token.ts";

export interface ServiceAccountTokensOptions {
  /** P-256 private key, PEM. Tokens outlive the server when it does. */
  readonly key: string;
  /** The URL tokens name as their issuer, and the audience they are for unless the request says otherwise. */
  readonly issuer: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ServiceAccountTokens {
  readonly issuer: string;
  readonly publicKey: PublicJsonWebKey;
  /** `POST serviceaccounts/NAME/token` (TokenRequest). */
  readonly subresource: SubresourceHandler;
  /** Users by these tokens, as long as the account, and the pod a token is bound to, exist. */
  authenticator(lookup: Lookup): Authenticator;
}

const defaultLifetime = hours(1);
const shortestLifetime = minutes(10);
const longestLifetime = hours(24 * 365);

const serviceAccounts = { group: "", resource: "serviceaccounts" };
const pods = { group: "", resource: "pods" };
const nodes = { group: "", resource: "nodes" };

interface Bindable extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
}

interface TokenRequest extends KubeObject {
  readonly spec?: {
    readonly audiences?: readonly string[] | null;
    readonly expirationSeconds?: number | null;
    readonly boundObjectRef?: { readonly kind?: string; readonly name?: string; readonly uid?: string } | null;
  };
}

interface BoundObject {
  readonly name: string;
  readonly uid: string;
}

interface Claims {
  readonly iss: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly nbf: number;
  readonly jti: string;
  readonly "kubernetes.io": {
    readonly namespace: string;
    readonly serviceaccount: BoundObject;
    readonly pod?: BoundObject;
    /** Where the pod ran when the token was made. */
    readonly node?: BoundObject;
  };
}

export function serviceAccountTokens({ key, issuer, clock, random }: ServiceAccountTokensOptions): ServiceAccountTokens {
  const signer = createTokenSigner(key);
  const nowSeconds = (): number => Math.floor(clock.wall() / 1_000);
  return {
    issuer,
    publicKey: signer.publicKey,
    subresource: {
      kind: "TokenRequest",
      group: "authentication.k8s.io",
      version: "v1",
      verbs: ["create"],
      create({ key: { namespace, name }, objects }, body) {
        const account = objects.get(serviceAccounts, { namespace, name });
        if (account === undefined) throw notFound(serviceAccounts, name);
        const { spec = {} } = body as TokenRequest;
        const lifetime = lifetimeOf(name, spec.expirationSeconds ?? defaultLifetime / 1_000);
        const audiences = spec.audiences?.length ? spec.audiences : [issuer];
        const pod = boundPod(objects, namespace, spec.boundObjectRef);
        const now = nowSeconds();
        const expiry = now + lifetime / 1_000;
        const token = signer.sign({
          iss: issuer,
          sub: `system:serviceaccount:${namespace}:${name}`,
          aud: audiences,
          exp: expiry,
          iat: now,
          nbf: now,
          jti: uuid(random),
          "kubernetes.io": {
            namespace,
            serviceaccount: { name, uid: account.metadata.uid ?? "" },
            ...(pod === undefined ? {} : { pod: pod.bound, ...(pod.node === undefined ? {} : { node: pod.node }) }),
          },
        });
        const answer = {
          ...body,
          kind: "TokenRequest",
          apiVersion: "authentication.k8s.io/v1",
          metadata: { name, namespace, creationTimestamp: timestamp(now * 1_000) },
          spec: { ...spec, audiences, expirationSeconds: lifetime / 1_000 },
          status: { token, expirationTimestamp: timestamp(expiry * 1_000) },
        };
        return answer;
      },
    },
    authenticator(lookup) {
      const userOf = (token: string, wanted: readonly string[] = [issuer]): Required<TokenUser> | undefined => {
        const claims = signer.verify(token) as Claims | undefined;
        if (claims === undefined || claims.iss !== issuer) return undefined;
        const now = nowSeconds();
        const audiences = wanted.filter((audience) => claims.aud.includes(audience));
        if (now >= claims.exp || now < claims.nbf || audiences.length === 0) throw unauthorized();
        return { user: liveUser(lookup, claims), audiences };
      };
      return {
        authenticate(request) {
          const token = bearerToken(request);
          return token === undefined ? undefined : userOf(token)?.user;
        },
        authenticateToken: userOf,
      };
    },
  };
}

/** Throws Unauthorized when the account or the pod of the token is gone or another of the same name. */
function liveUser(lookup: Lookup, { jti, "kubernetes.io": { namespace, serviceaccount, pod, node } }: Claims): UserInfo {
  const { name, uid } = serviceaccount;
  if (lookup.get(serviceAccounts, { namespace, name })?.metadata.uid !== uid) throw unauthorized();
  if (pod !== undefined && lookup.get(pods, { namespace, name: pod.name })?.metadata.uid !== pod.uid) throw unauthorized();
  const bound = (kind: string, object: BoundObject | undefined): Record<string, string[]> =>
    object === undefined
      ? {}
      : { [`authentication.kubernetes.io/${kind}-name`]: [object.name], [`authentication.kubernetes.io/${kind}-uid`]: [object.uid] };
  const extra = { "authentication.kubernetes.io/credential-id": [`JTI=${jti}`], ...bound("pod", pod), ...bound("node", node) };
  return serviceAccountUser({ namespace, name, uid, extra });
}

function lifetimeOf(name: string, wantedSeconds: number): Duration {
  const problem =
    !Number.isInteger(wantedSeconds) || seconds(wantedSeconds) < shortestLifetime
      ? "may not specify a duration less than 10 minutes"
      : undefined;
  if (problem !== undefined)
    throw invalidObject({ group: "authentication.k8s.io", kind: "TokenRequest" }, name, [
      invalid("spec.expirationSeconds", wantedSeconds, problem),
    ]);
  return Math.min(seconds(wantedSeconds), longestLifetime);
}

function boundPod(
  lookup: Lookup,
  namespace: string,
  reference: NonNullable<TokenRequest["spec"]>["boundObjectRef"],
): { readonly bound: BoundObject; readonly node?: BoundObject } | undefined {
  if (!reference) return undefined;
  const { kind, name = "", uid } = reference;
  if (kind !== "Pod") throw badRequest(`a token can be bound to a Pod, not to a ${kind}`);
  const pod = lookup.get(pods, { namespace, name });
  if (pod === undefined || (uid && pod.metadata.uid !== uid)) throw notFound(pods, name);
  const bound = { name, uid: pod.metadata.uid ?? "" };
  const { nodeName } = (pod as Bindable).spec ?? {};
  const node = nodeName === undefined || nodeName === "" ? undefined : lookup.get(nodes, { namespace: "", name: nodeName });
  return { bound, ...(node === undefined ? {} : { node: { name: node.metadata.name ?? "", uid: node.metadata.uid ?? "" } }) };
}
