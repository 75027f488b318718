import { int64, opaque } from "#lib/apiserver/openapi/build.ts";
import { type FieldError, required } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { kind } from "../kind.ts";
import { checkUnchanged } from "../rules.ts";
import { notNegative } from "./rules.ts";
import { type ControllerRevision, controllerRevisions } from "./types.ts";

/** `statefulset.apps/db`, as `kubectl get` names the owner. */
function ownerText({ metadata }: ControllerRevision): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  if (owner === undefined) return "<none>";
  const [group = "", version] = owner.apiVersion.split("/");
  return `${owner.kind.toLowerCase()}${version === undefined ? "" : `.${group}`}/${owner.name}`;
}

export const controllerRevisionDefinition = kind<ControllerRevision>({
  resource: controllerRevisions,
  package: "io.k8s.api.apps.v1",
  description: "What a StatefulSet or a DaemonSet once was: kubectl rollout history shows it, and undo goes back to it.",
  fields: {
    data: opaque("A patch that makes the owner what it was. Cannot change."),
    revision: int64("Its place in the history of its owner."),
  },
  required: ["revision"],
  columns: [
    nameColumn,
    { name: "Controller", type: "string", description: "Whose history it belongs to.", value: ownerText },
    { name: "Revision", type: "integer", description: "Its place in that history.", value: ({ revision }) => revision },
    ageColumn,
  ],
  validate: ({ data, revision }, _context, old): FieldError[] => [
    ...(data === undefined || data === null ? [required("data", "data is mandatory")] : []),
    ...notNegative("revision", revision),
    ...(old === undefined ? [] : checkUnchanged("data", data, old.data)),
  ],
});
