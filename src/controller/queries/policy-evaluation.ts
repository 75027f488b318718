import { controlplaneApiVersion, controlplaneGroup, controlplaneVersion, type NamespacedName } from "#core/api/controlplane/index.ts";
import { badRequest, StatusError } from "#lib/apiserver/errors.ts";
import * as schema from "#lib/apiserver/openapi/build.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import { policyReference, reference } from "../controlplane/definitions.ts";
import { evaluate } from "./evaluate.ts";
import type { QueryOptions } from "./group-members.ts";

interface Evaluation extends KubeObject {
  readonly request?: { readonly source?: Entity; readonly destination?: Entity };
  readonly response?: object;
}

interface Entity {
  readonly pod?: Partial<NamespacedName>;
}

const resource = "networkpolicyevaluation";

/** Which rule decides between two pods: a question that is posted, and comes back with its answer. */
export function policyEvaluationDefinition({ objects, ready }: QueryOptions): ResourceDefinition {
  return defineResource<Evaluation>({
    group: controlplaneGroup,
    version: controlplaneVersion,
    resource,
    singular: resource,
    kind: "NetworkPolicyEvaluation",
    listKind: "NetworkPolicyEvaluationList",
    namespaced: false,
    verbs: ["create"],
    transient: true,
    schema: evaluationSchema,
    store: {
      async create(object, { signal }) {
        await ready(signal);
        const { request } = object as Evaluation;
        const source = podOf(request?.source, "source");
        const destination = podOf(request?.destination, "destination");
        const verdict = evaluate(objects.engine, { source, destination });
        const question = { ...object, kind: "NetworkPolicyEvaluation", apiVersion: controlplaneApiVersion };
        if (verdict === undefined) return question;
        if ("unknown" in verdict)
          throw new StatusError(404, "NotFound", `Pod ${verdict.unknown.namespace}/${verdict.unknown.name} is not known to the controller`);
        const { policy, ruleIndex, direction, name, action } = verdict;
        const rule = { direction, ...(name !== "" && { name }), ...(action !== undefined && { action }) };
        return { ...question, response: { networkPolicy: policy, ...(ruleIndex !== 0 && { ruleIndex }), rule } };
      },
    },
  });
}

function podOf(entity: Entity | undefined, field: "source" | "destination"): NamespacedName {
  const { namespace = "", name = "" } = entity?.pod ?? {};
  if (namespace === "" || name === "") throw badRequest(`request.${field}.pod must have a namespace and a name`);
  return { namespace, name };
}

const prefix = "io.antrea.controlplane.v1beta2";
const entity = schema.part(`${prefix}.Entity`, "One end of a connection.", { pod: schema.use(reference, "The Pod.") });
const evaluationSchema = kindSchema({
  id: `${prefix}.NetworkPolicyEvaluation`,
  group: controlplaneGroup,
  version: controlplaneVersion,
  kind: "NetworkPolicyEvaluation",
  description: "Which rule decides between two Pods.",
  fields: {
    request: schema.use(
      schema.part(`${prefix}.NetworkPolicyEvaluationRequest`, "The question.", {
        source: schema.use(entity, "Who opens the connection."),
        destination: schema.use(entity, "To whom."),
      }),
      "The question.",
    ),
    response: schema.use(
      schema.part(`${prefix}.NetworkPolicyEvaluationResponse`, "The answer.", {
        networkPolicy: schema.use(policyReference, "The policy with the rule that decides."),
        ruleIndex: schema.int32("Position in its list; 2147483647 where a Kubernetes policy isolates and nothing allows."),
        rule: schema.use(
          schema.part(`${prefix}.RuleRef`, "A rule.", {
            direction: schema.string("In or Out."),
            name: schema.string("Name."),
            action: schema.string("Allow, Drop, Reject or Pass; absent for isolation."),
          }),
          "The rule.",
        ),
      }),
      "The answer; absent when no rule decides.",
    ),
  },
});
