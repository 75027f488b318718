import type { KubeClient, KubeObject, Resource } from "#lib/kube/index.ts";

interface TokenReview extends KubeObject {
  readonly spec: { readonly token: string };
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: { readonly username?: string; readonly uid?: string; readonly groups?: readonly string[] };
  };
}

interface SubjectAccessReview extends KubeObject {
  readonly spec: {
    readonly user: string;
    readonly uid?: string;
    readonly groups?: readonly string[];
    readonly nonResourceAttributes: { readonly path: string; readonly verb: string };
  };
  readonly status?: { readonly allowed?: boolean };
}

const review = <Kind extends KubeObject>(group: string, plural: string, kind: string): Resource<Kind> => ({
  group,
  version: "v1",
  plural,
  kind,
  namespaced: false,
});
const tokenReviews = review<TokenReview>("authentication.k8s.io", "tokenreviews", "TokenReview");
const accessReviews = review<SubjectAccessReview>("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview");

/** Whether the holder of a token may read a path. */
export type Verdict = "allowed" | "forbidden" | "unknown token";

/** Asks the cluster who a token belongs to and whether they may `get` the path (`nonResourceURLs` in RBAC). Throws when the API does not answer. */
export async function askCluster(client: KubeClient, question: { readonly token: string; readonly path: string }): Promise<Verdict> {
  const { status } = await client.create(tokenReviews, { metadata: {}, spec: { token: question.token } });
  if (status?.authenticated !== true || status.user?.username === undefined) return "unknown token";
  const { username, uid, groups } = status.user;
  const access = await client.create(accessReviews, {
    metadata: {},
    spec: {
      user: username,
      ...(uid === undefined ? {} : { uid }),
      ...(groups === undefined ? {} : { groups }),
      nonResourceAttributes: { path: question.path, verb: "get" },
    },
  });
  return access.status?.allowed === true ? "allowed" : "forbidden";
}
