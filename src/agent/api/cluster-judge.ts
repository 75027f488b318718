import { accessReviewer, tokenReviewer } from "#lib/daemon/index.ts";
import type { KubeClient } from "#lib/kube/index.ts";
import type { Clock } from "#lib/runtime/index.ts";

/** Whether the holder of a token may read a path. */
export type Verdict = "allowed" | "forbidden" | "unknown token";

/** Rejects when nobody can be asked. */
export type Judge = (question: { readonly token: string; readonly path: string }) => Promise<Verdict>;

/** Asks the cluster whose a token is and whether they may `get` the path (`nonResourceURLs` in RBAC). */
export function clusterJudge(options: { readonly client: KubeClient; readonly clock: Clock }): Judge {
  const userOf = tokenReviewer(options);
  const accessOf = accessReviewer(options);
  return async ({ token, path }) => {
    const user = await userOf(token);
    if (user === undefined) return "unknown token";
    const { allowed } = await accessOf({ user, verb: "get", path });
    return allowed ? "allowed" : "forbidden";
  };
}
