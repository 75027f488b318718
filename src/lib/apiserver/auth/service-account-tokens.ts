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
import { type Authenticator, bearerToken } from "./authenticator.ts";
import { createTokenSigner } from "./json-web-token.ts";

export interface ServiceAccountTokensOptions {
  /** P-256 private key, PEM. Tokens outlive the server when it does. */
  readonly key: string;
  /** The URL tokens name as their issuer, and the audience they are for unless the request says otherwise. */
  readonly issuer: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ServiceAccountTokens {
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
  readonly "kubernetes.io": {
    readonly namespace: string;
    readonly serviceaccount: BoundObject;
    readonly pod?: BoundObject;
  };
}

export function serviceAccountTokens({ key, issuer, clock, random }: ServiceAccountTokensOptions): ServiceAccountTokens {
  const signer = createTokenSigner(key);
  const nowSeconds = (): number => Math.floor(clock.wall() / 1_000);
  return {
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
            ...(pod === undefined ? {} : { pod }),
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
      const userOf = (token: string): UserInfo | undefined => {
        const claims = signer.verify(token) as Claims | undefined;
        if (claims === undefined || claims.iss !== issuer) return undefined;
        const now = nowSeconds();
        if (now >= claims.exp || now < claims.nbf || !claims.aud.includes(issuer)) throw unauthorized();
        return liveUser(lookup, claims);
      };
      return {
        authenticate(request) {
          const token = bearerToken(request);
          return token === undefined ? undefined : userOf(token);
        },
        authenticateToken: userOf,
      };
    },
  };
}

/** Throws Unauthorized when the account or the pod of the token is gone or another of the same name. */
function liveUser(lookup: Lookup, { "kubernetes.io": { namespace, serviceaccount, pod } }: Claims): UserInfo {
  const { name, uid } = serviceaccount;
  if (lookup.get(serviceAccounts, { namespace, name })?.metadata.uid !== uid) throw unauthorized();
  if (pod === undefined) return serviceAccountUser({ namespace, name, uid });
  if (lookup.get(pods, { namespace, name: pod.name })?.metadata.uid !== pod.uid) throw unauthorized();
  const extra = { "authentication.kubernetes.io/pod-name": [pod.name], "authentication.kubernetes.io/pod-uid": [pod.uid] };
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
): BoundObject | undefined {
  if (!reference) return undefined;
  const { kind, name = "", uid } = reference;
  if (kind !== "Pod") throw badRequest(`a token can be bound to a Pod, not to a ${kind}`);
  const pod = lookup.get(pods, { namespace, name });
  if (pod === undefined || (uid && pod.metadata.uid !== uid)) throw notFound(pods, name);
  return { name, uid: pod.metadata.uid ?? "" };
}
