import type { ResourceDefinition } from "#lib/apiserver/resource.ts";
import { groupAssociationDefinitions } from "./group-associations.ts";
import { groupMembersDefinitions, type QueryOptions } from "./group-members.ts";
import { policyEvaluationDefinition } from "./policy-evaluation.ts";

/** Kinds that answer questions of people about groups and policies. */
export const queryDefinitions = (options: QueryOptions): ResourceDefinition[] => [
  ...groupMembersDefinitions(options),
  ...groupAssociationDefinitions(options),
  policyEvaluationDefinition(options),
];
