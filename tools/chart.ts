import { stringify } from "yaml";
import type { Datapath, Manifest } from "./generate-deploy.ts";

/** What the chart is made from. */
export interface ChartParts {
  readonly manifests: (datapath: Datapath) => readonly Manifest[];
  /** Keys of `antrea-agent.conf` that a datapath needs. */
  readonly agentSettings: Readonly<Record<Datapath, Readonly<Record<string, unknown>>>>;
  /** With its tag. */
  readonly image: string;
  readonly version: string;
}

/**
 * The files of the Helm chart `deploy/chart`, by path: the objects of `deploy/antrea.yml` with what users choose left open. Custom resource definitions are in `crds/`,
 * which Helm applies first and never changes or deletes.
 */
export function chartFiles({ manifests, agentSettings, image, version }: ChartParts): ReadonlyMap<string, string> {
  const all = manifests("system");
  const switches = { system: switchContainer(manifests("system")), netdev: switchContainer(manifests("netdev")) };
  const isDefinition = ({ kind }: Manifest): boolean => kind === "CustomResourceDefinition";
  const objects = all.filter((each) => !isDefinition(each)).map((each) => opened(each, switches));
  const chart = {
    apiVersion: "v2",
    name: "antrea",
    description: "Antrea in TypeScript: the Kubernetes network plugin on Open vSwitch",
    type: "application",
    version,
    appVersion: version,
    kubeVersion: ">= 1.30.0-0",
  };
  return new Map([
    ["Chart.yaml", stringify(chart)],
    ["values.yaml", values(image.slice(0, image.lastIndexOf(":")))],
    ["crds/antrea.yaml", documents(all.filter(isDefinition))],
    ["templates/_helpers.tpl", helpers(agentSettings.netdev)],
    ["templates/antrea.yaml", `${onlyInKubeSystem}${filled(documents(objects))}`],
    ["templates/NOTES.txt", notes],
  ]);
}

const documents = (objects: readonly unknown[]): string =>
  objects.map((each) => `---\n${stringify(each, { lineWidth: 0, aliasDuplicateObjects: false })}`).join("");

const values = (repository: string): string => `# helm install antrea deploy/chart --namespace kube-system --values FILE

image:
  repository: ${repository}
  # The chart's own version when empty.
  tag: ""
  pullPolicy: IfNotPresent

ovs:
  # system: the kernel's datapath. netdev: in user space, for kernels that have none.
  datapathType: system
  # netdev only: the interface that tunnels leave by; it becomes part of the switch.
  uplink: eth0

agent:
  # Keys of antrea-agent.conf, for example: { trafficEncapMode: noEncap, featureGates: { NetworkPolicyStats: false } }
  config: {}

controller:
  # Two share no node: each wants its port.
  replicas: 2
  # Keys of antrea-controller.conf.
  config: {}
`;

/** Rights, Services and webhooks name the namespace, and Kubernetes keeps what they need there. */
const onlyInKubeSystem = `{{- if ne .Release.Namespace "kube-system" }}
{{- fail (printf "namespace %s: install it with --namespace kube-system" .Release.Namespace) }}
{{- end }}
`;

const helpers = (netdev: object): string => `{{- /* antrea-agent.conf: what the datapath needs, and the user's keys over it */ -}}
{{- define "antrea.agentConfig" -}}
{{- $own := dict -}}
{{- if eq .Values.ovs.datapathType "netdev" -}}
{{- $own = fromJson ${quoted(JSON.stringify(netdev))} -}}
{{- else if ne .Values.ovs.datapathType "system" -}}
{{- fail (printf "ovs.datapathType: %s: must be system or netdev" .Values.ovs.datapathType) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $own (deepCopy .Values.agent.config)) -}}
{{- end -}}
`;

const notes = `Antrea {{ .Chart.AppVersion }} is being started on every node. It is there when this ends:

  kubectl rollout status --namespace kube-system daemonset/antrea-agent
`;

/** A string of Go's templates. */
function quoted(text: string): string {
  return `\`${text}\``;
}

type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [key: string]: Json };

/** A place that the template fills; in YAML a plain word that nothing else uses. */
const open = (expression: string): string => `OPEN-${Buffer.from(expression).toString("base64url")}-OPEN`;
const filled = (text: string): string =>
  text.replaceAll(/"?OPEN-([\w-]+?)-OPEN"?/g, (_, encoded: string) => Buffer.from(encoded, "base64url").toString());

const openings = {
  image: open('{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}'),
  pullPolicy: open("{{ .Values.image.pullPolicy | quote }}"),
  replicas: open("{{ .Values.controller.replicas }}"),
  agentConfig: open('{{ include "antrea.agentConfig" . | quote }}'),
  controllerConfig: open("{{ toYaml .Values.controller.config | quote }}"),
  agentChecksum: open('{{ include "antrea.agentConfig" . | sha256sum | quote }}'),
  controllerChecksum: open("{{ toYaml .Values.controller.config | sha256sum | quote }}"),
};

function opened(manifest: Manifest, switches: Switches): Json {
  const json = manifest as unknown as { readonly [key: string]: Json };
  switch (`${manifest.kind}/${manifest.metadata.name}`) {
    case "ConfigMap/antrea-config":
      return put(
        put(json, ["data", "antrea-agent.conf"], openings.agentConfig),
        ["data", "antrea-controller.conf"],
        openings.controllerConfig,
      );
    case "Deployment/antrea-controller":
      return put(workload(json, { checksum: openings.controllerChecksum, switches }), ["spec", "replicas"], openings.replicas);
    case "DaemonSet/antrea-agent":
      return workload(json, { checksum: openings.agentChecksum, switches });
    default:
      return json;
  }
}

/** With the image open, pods that are made anew when their configuration changes, and the switch's container as its datapath needs it. */
function workload(json: Json, { checksum, switches }: { readonly checksum: string; readonly switches: Switches }): Json {
  const withContainers = (name: string, value: Json): Json =>
    put(
      value,
      ["spec", "template", "spec", name],
      list(at(value, ["spec", "template", "spec", name])).map((each) => container(each, switches)),
    );
  const metadata = ["spec", "template", "metadata", "annotations"];
  const made = put(withContainers("containers", json), metadata, { "checksum/config": checksum });
  return at(json, ["spec", "template", "spec", "initContainers"]) === undefined ? made : withContainers("initContainers", made);
}

function container(each: Json, switches: Switches): Json {
  const made = put(put(each, ["image"], openings.image), ["imagePullPolicy"], openings.pullPolicy);
  if (at(each, ["name"]) !== "antrea-ovs") return made;
  const either = (key: string): string => {
    const [system, netdev] = [switches.system, switches.netdev].map((one) => JSON.stringify(at(one, [key])));
    return `{{ if eq .Values.ovs.datapathType "netdev" }}${netdev}{{ else }}${system}{{ end }}`;
  };
  const command = either("command").replace('"eth0"', "{{ .Values.ovs.uplink | quote }}");
  return put(put(made, ["command"], open(command)), ["securityContext"], open(either("securityContext")));
}

/** The container of Open vSwitch, as each datapath needs it. */
type Switches = Readonly<Record<Datapath, Json>>;

function switchContainer(all: readonly Manifest[]): Json {
  const set = all.find(({ kind }) => kind === "DaemonSet") as unknown as Json;
  return list(at(set, ["spec", "template", "spec", "containers"])).find((each) => at(each, ["name"]) === "antrea-ovs");
}

const list = (value: Json): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : []);
const isMap = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const at = (value: Json, path: readonly string[]): Json =>
  path.reduce<Json>((inner, key) => (isMap(inner) ? inner[key] : undefined), value);

function put(value: Json, [key, ...rest]: readonly string[], wanted: Json): Json {
  if (key === undefined) return wanted;
  const map = isMap(value) ? value : {};
  return { ...map, [key]: put(map[key], rest, wanted) };
}
