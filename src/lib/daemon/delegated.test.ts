import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import type { AccessAttributes } from "#lib/apiserver/auth/authorizer.ts";
import type { KubeClient, KubeObject, Resource } from "#lib/kube/index.ts";
import { seconds, virtualClock } from "#lib/runtime/index.ts";
import { createAnswerCache } from "./answer-cache.ts";
import { delegatedAuthentication } from "./delegated-authentication.ts";
import { delegatedAuthorization } from "./delegated-authorization.ts";

/** A Kubernetes API that knows the token "admin", allows its user everything, and may be away. */
function cluster() {
  const state = { away: false, asked: 0 };
  const create = (resource: Resource<KubeObject>, { spec }: { readonly spec: { readonly token?: string; readonly user?: string } }) => {
    state.asked++;
    if (state.away) return Promise.reject(new Error("connection refused"));
    return Promise.resolve(
      resource.plural === "tokenreviews"
        ? {
            spec,
            status: spec.token === "admin" ? { authenticated: true, user: { username: "admin", uid: "u" } } : { authenticated: false },
          }
        : { spec, status: { allowed: spec.user === "admin", reason: "role" } },
    );
  };
  return { state, client: { create } as unknown as KubeClient };
}

const bearing = (token: string): IncomingMessage => ({ headers: { authorization: `Bearer ${token}` } }) as IncomingMessage;

test("tokens are the cluster's: known ones have its user, others are refused, and a silent cluster decides nothing", async () => {
  const { client, state } = cluster();
  const authenticator = delegatedAuthentication({ client, clock: virtualClock() });
  assert.deepEqual(await authenticator.authenticate(bearing("admin")), { username: "admin", uid: "u", groups: [] });
  assert.equal(await authenticator.authenticate({ headers: {} } as IncomingMessage), undefined);
  await assert.rejects(async () => authenticator.authenticate(bearing("guest")), /Unauthorized/);
  state.away = true;
  await assert.rejects(async () => authenticator.authenticate(bearing("new")), /the token cannot be checked: connection refused/);
  assert.equal((await authenticator.authenticate(bearing("admin")))?.username, "admin");
});

test("access is the cluster's to allow; while it is away what it said is believed for ten seconds", async () => {
  const { client, state } = cluster();
  const clock = virtualClock();
  const authorizer = delegatedAuthorization({ client, clock });
  const asks = (username: string): AccessAttributes => ({ user: { username, groups: [] }, verb: "get", path: "/x" });
  assert.deepEqual(await authorizer.authorize(asks("admin")), { allowed: true, reason: "role" });
  assert.equal((await authorizer.authorize(asks("guest"))).allowed, false);
  state.away = true;
  assert.equal((await authorizer.authorize(asks("admin"))).allowed, true);
  clock.advance(seconds(10));
  await assert.rejects(async () => authorizer.authorize(asks("admin")), /access cannot be checked: connection refused/);
});

test("answers are shared and believed for a while, failures are not", async () => {
  const clock = virtualClock();
  const cache = createAnswerCache<number>({ clock, believedFor: seconds(10) });
  let asked = 0;
  const ask = () => Promise.resolve(++asked);
  assert.deepEqual(await Promise.all([cache.get("a", ask), cache.get("a", ask)]), [1, 1]);
  clock.advance(seconds(11));
  assert.equal(await cache.get("a", ask), 2);
  await assert.rejects(cache.get("b", () => Promise.reject(new Error("no"))));
  assert.equal(await cache.get("b", ask), 3);
});
