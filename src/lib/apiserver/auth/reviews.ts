import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { badRequest } from "../errors.ts";
import { kindSchema } from "../openapi/meta.ts";
import type { JsonSchema } from "../openapi/schema.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { ResourceStore, StoreContext } from "../resource-store.ts";
import type { UserInfo } from "../user.ts";
import { type Authenticator, withAuthenticatedGroup } from "./authenticator.ts";
import { type AccessAttributes, type Authorizer, type Decision, decide } from "./authorizer.ts";

/** Who decides. Asked at each review, as the reviews are among the kinds from which the deciders are made. */
export interface ReviewSources {
  readonly authenticators: () => readonly Authenticator[];
  readonly authorizer: () => Authorizer;
}

/** The questions about users and rights: TokenReview, SelfSubjectReview, the three SubjectAccessReviews and SelfSubjectRulesReview. */
export function reviewResources(sources: ReviewSources): ResourceDefinition[] {
  return [
    review({ group: "authentication.k8s.io", kind: "TokenReview", answer: (object) => tokenStatus(sources, object) }),
    review({ group: "authentication.k8s.io", kind: "SelfSubjectReview", answer: (_, { user }) => ({ userInfo: userInfo(user) }) }),
    review({
      group: "authorization.k8s.io",
      kind: "SelfSubjectAccessReview",
      answer: (object, { user }) => access(sources, user, object.spec),
    }),
    review({
      group: "authorization.k8s.io",
      kind: "SubjectAccessReview",
      answer: (object) => access(sources, subjectOf(object.spec), object.spec),
    }),
    review({
      group: "authorization.k8s.io",
      kind: "LocalSubjectAccessReview",
      namespaced: true,
      answer: (object) => access(sources, subjectOf(object.spec), object.spec, object.metadata.namespace),
    }),
    review({
      group: "authorization.k8s.io",
      kind: "SelfSubjectRulesReview",
      answer: (object, { user }) => rules(sources, user, object.spec),
    }),
  ];
}

interface Review extends KubeObject {
  readonly spec: ReviewSpec;
}

interface ReviewSpec {
  readonly token?: string;
  readonly audiences?: readonly string[];
  readonly user?: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  readonly namespace?: string;
  readonly resourceAttributes?: Readonly<Record<string, string>>;
  readonly nonResourceAttributes?: { readonly path?: string; readonly verb?: string };
}

const text: JsonSchema = { type: "string" };
const open: JsonSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

const specSchema: JsonSchema = {
  type: "object",
  description: "The question.",
  properties: {
    token: text,
    audiences: { type: "array", items: text },
    user: text,
    uid: text,
    groups: { type: "array", items: text },
    extra: { type: "object", additionalProperties: { type: "array", items: text } },
    namespace: text,
    resourceAttributes: open,
    nonResourceAttributes: open,
  },
};

function review(options: {
  readonly group: string;
  readonly kind: string;
  readonly namespaced?: boolean;
  readonly answer: (object: Review, context: StoreContext) => object | Promise<object>;
}): ResourceDefinition {
  const { group, kind, namespaced = false, answer } = options;
  const store: ResourceStore = {
    async create(object, context) {
      const asked = { ...object, spec: (object as Partial<Review>).spec ?? {} };
      return { ...asked, status: await answer(asked, context) } as Review;
    },
  };
  const packageOf = group === "authentication.k8s.io" ? "authentication" : "authorization";
  return {
    group,
    version: "v1",
    resource: `${kind.toLowerCase()}s`,
    singular: kind.toLowerCase(),
    kind,
    listKind: `${kind}List`,
    namespaced,
    verbs: ["create"],
    transient: true,
    schema: kindSchema({
      id: `io.k8s.api.${packageOf}.v1.${kind}`,
      group,
      version: "v1",
      kind,
      description: "A question to the server; the answer is in status. Never stored.",
      fields: { spec: specSchema, status: { ...open, description: "The answer." } },
    }),
    store,
  };
}

async function tokenStatus({ authenticators }: ReviewSources, { spec: { token, audiences } }: Review): Promise<object> {
  if (!token) throw badRequest("spec.token: Required value");
  try {
    for (const authenticator of authenticators()) {
      const known = await authenticator.authenticateToken?.(token, audiences?.length ? audiences : undefined);
      if (known === undefined) continue;
      const user = userInfo(withAuthenticatedGroup(known.user));
      return { authenticated: true, user, ...(known.audiences === undefined ? {} : { audiences: known.audiences }) };
    }
  } catch (error) {
    return { authenticated: false, error: errorMessage(error), user: {} };
  }
  return { authenticated: false, user: {} };
}

const userInfo = ({ username, uid, groups, extra }: UserInfo): object => ({
  username,
  ...(uid === undefined ? {} : { uid }),
  groups,
  ...(extra === undefined ? {} : { extra }),
});

function subjectOf({ user = "", uid, groups = [], extra }: ReviewSpec): UserInfo {
  if (user === "" && groups.length === 0) throw badRequest("spec.user: Required value: at least one of user or group must be specified");
  return { username: user, groups, ...(uid === undefined ? {} : { uid }), ...(extra === undefined ? {} : { extra }) };
}

async function access(sources: ReviewSources, user: UserInfo, spec: ReviewSpec, within?: string): Promise<object> {
  const namespace = spec.resourceAttributes?.namespace ?? "";
  if (within !== undefined && namespace !== within)
    throw badRequest(`spec.resourceAttributes.namespace: ${JSON.stringify(namespace)} is not the namespace of the review (${within})`);
  const { allowed, reason }: Decision = await decide(sources.authorizer(), attributesOf(user, spec));
  return { allowed, ...(reason === "" ? {} : { reason }) };
}

function attributesOf(user: UserInfo, { resourceAttributes, nonResourceAttributes }: ReviewSpec): AccessAttributes {
  if (nonResourceAttributes !== undefined) return { user, verb: nonResourceAttributes.verb ?? "", path: nonResourceAttributes.path ?? "" };
  if (resourceAttributes === undefined) throw badRequest("spec: exactly one of resourceAttributes and nonResourceAttributes is needed");
  const { verb = "", group = "", version = "", resource = "", subresource = "", namespace = "", name = "" } = resourceAttributes;
  return { user, verb, resource: { group, version, resource, subresource, namespace, name } };
}

function rules({ authorizer }: ReviewSources, user: UserInfo, { namespace = "" }: ReviewSpec): object {
  const { rulesFor } = authorizer();
  const granted = user.groups.includes("system:masters") ? everything : (rulesFor?.(user, namespace) ?? []);
  return {
    incomplete: rulesFor === undefined,
    resourceRules: granted.filter((rule) => rule.resources !== undefined),
    nonResourceRules: granted.filter((rule) => rule.nonResourceURLs !== undefined),
  };
}

const everything = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];
