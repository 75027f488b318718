import { notFound } from "#lib/apiserver/errors.ts";
import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import { nameColumn } from "#lib/apiserver/printing/columns.ts";
import { defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { Condition, KubeObject } from "#lib/kube/index.ts";

/** `AntreaControllerInfo`: the controller about itself. No spec and status: its fields stand at the top. */
export interface ControllerInfo extends KubeObject {
  readonly version: string;
  readonly podRef?: ObjectReference;
  readonly nodeRef?: ObjectReference;
  readonly serviceRef: ObjectReference;
  readonly networkPolicyControllerInfo: {
    readonly networkPolicyNum: number;
    readonly addressGroupNum: number;
    readonly appliedToGroupNum: number;
  };
  readonly connectedAgentNum: number;
  readonly controllerConditions: readonly Condition[];
  readonly apiPort: number;
}

interface ObjectReference {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

const group = "system.antrea.io";
const version = "v1beta1";
const resource = "controllerinfos";
const name = "antrea-controller";

/** `controllerinfos` with its single item. `describe` is asked for each request. */
export function controllerInfoDefinition(describe: () => Omit<ControllerInfo, "metadata">): ResourceDefinition {
  const info = (): ControllerInfo => ({
    kind: "AntreaControllerInfo",
    apiVersion: `${group}/${version}`,
    metadata: { name },
    ...describe(),
  });
  return defineResource<ControllerInfo>({
    group,
    version,
    resource,
    singular: "controllerinfo",
    kind: "AntreaControllerInfo",
    listKind: "AntreaControllerInfoList",
    namespaced: false,
    verbs: ["get", "list"],
    schema: {
      ...kindSchema({
        id: "io.antrea.system.v1beta1.AntreaControllerInfo",
        group,
        version,
        kind: "AntreaControllerInfo",
        description: "The controller about itself.",
        fields: {},
      }),
      "x-kubernetes-preserve-unknown-fields": true,
    },
    columns: [
      nameColumn,
      { name: "Version", type: "string", value: (object) => object.version },
      { name: "Connected Agents", type: "integer", value: (object) => object.connectedAgentNum },
    ],
    store: {
      get(key) {
        if (key.name !== name) throw notFound({ group, resource }, key.name);
        return info();
      },
      list: () => ({ resourceVersion: "1", items: [info()] }),
    },
  });
}
