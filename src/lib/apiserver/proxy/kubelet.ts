import type { IncomingMessage } from "node:http";
import type { KubeObject } from "#lib/kube/types.ts";
import { badRequest, notFound, serviceUnavailable, StatusError } from "../errors.ts";
import type { Lookup } from "../resource.ts";
import type { RawExchange, SubresourceHandler, SubresourceRequest } from "../subresource.ts";
import { type OptionType, queryOptions } from "./connection-options.ts";
import { type Backend, forward } from "./forward.ts";
import { proxiedPath, proxyOptions } from "./proxy-path.ts";
import { parseProxyTarget } from "./proxy-target.ts";
import { sendLog } from "./websocket-log.ts";
import { streamProtocol, translated, translateStreams, translateTunnel, tunnelProtocol } from "./websocket-streams.ts";

export interface KubeletAccess {
  /** Where the kubelet of a node listens. Default: the InternalIP and the kubelet's port in the Node's status. */
  readonly address?: (nodeName: string, lookup: Lookup) => { readonly host: string; readonly port: number } | undefined;
  /** Authority of the kubelets' certificates, PEM. */
  readonly ca: string;
  /** The client certificate that kubelets accept. */
  readonly certificate: string;
  readonly key: string;
}

const pods = { group: "", resource: "pods" };
const nodes = { group: "", resource: "nodes" };

interface Pod extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string;
    readonly containers?: readonly { readonly name: string }[];
    readonly initContainers?: readonly { readonly name: string }[];
  };
}

interface Node extends KubeObject {
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly daemonEndpoints?: { readonly kubeletEndpoint?: { readonly Port?: number } };
  };
}

/** `pods/log`, `pods/exec`, `pods/attach` and `pods/portforward`: the request goes to the pod's kubelet, and the bytes pass through. */
export function kubeletSubresources(access: KubeletAccess): Readonly<Record<string, SubresourceHandler>> {
  const streaming = (
    kind: string,
    fields: Readonly<Record<string, OptionType>>,
    connect: NonNullable<SubresourceHandler["connect"]>,
  ): SubresourceHandler => ({
    kind,
    verbs: ["create", "get"],
    options: queryOptions(fields),
    connect,
  });
  return {
    log: {
      kind: "Pod",
      verbs: ["get"],
      async connect(request, exchange) {
        const { pod, backend } = target(access, request);
        const container = containerOf(pod, request.parameters, { init: true });
        const path = kubeletPath("containerLogs", request, container, request.parameters, logParameters);
        if (exchange.answer.kind === "response") return forward(exchange, { backends: [backend], path, inspect: refuseFailure });
        await sendLog({ request: exchange.request, client: exchange.answer, backend, path, refused: refuseFailure });
      },
    },
    exec: streaming("PodExecOptions", { ...streamOptions, command: "texts" }, (request, exchange) => {
      const { pod, backend } = target(access, request);
      const path = kubeletPath("exec", request, containerOf(pod, request.parameters, { init: false }), streams(request.parameters));
      return stream(exchange, { backend, path });
    }),
    attach: streaming("PodAttachOptions", streamOptions, (request, exchange) => {
      const { pod, backend } = target(access, request);
      const path = kubeletPath("attach", request, containerOf(pod, request.parameters, { init: false }), streams(request.parameters));
      return stream(exchange, { backend, path });
    }),
    portforward: streaming("PodPortForwardOptions", { ports: "numbers" }, (request, exchange) => {
      const { backend } = target(access, request);
      const path = kubeletPath("portForward", request, "", request.parameters, ["port"]);
      if (exchange.answer.kind !== "upgrade" || !translated(exchange.request, tunnelProtocol))
        return forward(exchange, { backends: [backend], path });
      return translateTunnel({ request: exchange.request, client: exchange.answer, backend, path, refused: refuseFailure });
    }),
  };
}

/** `nodes/NAME/proxy/PATH`: HTTP to the node's kubelet, as the server itself (`/metrics`, `/pods`). NAME may be `NAME:PORT`, of the kubelet's own port alone. */
export function kubeletProxy({ address = addressInStatus, ca, certificate, key }: KubeletAccess): SubresourceHandler {
  return {
    kind: "NodeProxyOptions",
    verbs: ["get", "create", "update", "patch", "delete"],
    options: proxyOptions,
    connect({ key: { name: text }, objects }, exchange) {
      const { name, port } = parseProxyTarget(text);
      if (objects.get(nodes, { namespace: "", name }) === undefined) throw notFound(nodes, name);
      const kubelet = address(name, objects);
      if (kubelet === undefined) throw serviceUnavailable(`node ${name} has no address for its kubelet`);
      // the server's certificate is for kubelets, not for whoever else listens on a node
      if (port !== "" && port !== String(kubelet.port))
        throw badRequest(`port ${port} of node ${name} is not its kubelet's, ${kubelet.port}`);
      return forward(exchange, { backends: [{ ...kubelet, ca, certificate, key }], path: proxiedPath(exchange.request) });
    },
  };
}

const streamOptions = { stdin: "boolean", stdout: "boolean", stderr: "boolean", tty: "boolean", container: "text" } as const;

function target({ address = addressInStatus, ca, certificate, key }: KubeletAccess, { key: podKey, objects }: SubresourceRequest) {
  const pod = objects.get(pods, podKey) as Pod | undefined;
  if (pod === undefined) throw notFound(pods, podKey.name);
  const nodeName = pod.spec?.nodeName;
  if (!nodeName) throw badRequest(`pod ${podKey.name} does not have a host assigned`);
  const kubelet = address(nodeName, objects);
  if (kubelet === undefined) throw serviceUnavailable(`node ${nodeName} has no address for its kubelet`);
  const backend: Backend = { ...kubelet, ca, certificate, key };
  return { pod, backend };
}

function addressInStatus(nodeName: string, lookup: Lookup): { readonly host: string; readonly port: number } | undefined {
  const { status } = (lookup.get(nodes, { namespace: "", name: nodeName }) ?? {}) as Partial<Node>;
  const host = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  return host === undefined ? undefined : { host, port: status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 10_250 };
}

/** The container asked for, or the only one, or the one an annotation names. Throws BadRequest. */
function containerOf(pod: Pod, parameters: URLSearchParams, options: { readonly init: boolean }): string {
  const names = (pod.spec?.containers ?? []).map(({ name }) => name);
  const all = options.init ? [...names, ...(pod.spec?.initContainers ?? []).map(({ name }) => name)] : names;
  const podName = pod.metadata.name;
  const asked = parameters.get("container");
  if (asked) {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${podName}`);
    return asked;
  }
  const fallback = pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"] ?? (names.length === 1 ? names[0] : undefined);
  if (fallback !== undefined && all.includes(fallback)) return fallback;
  throw badRequest(`a container name must be specified for pod ${podName}, choose one of: [${all.join(" ")}]`);
}

const logParameters = ["follow", "previous", "timestamps", "sinceSeconds", "sinceTime", "tailLines", "limitBytes"];

/** The options of the API in the words of the kubelet. */
function streams(parameters: URLSearchParams): URLSearchParams {
  const renamed = new URLSearchParams(parameters.getAll("command").map((part) => ["command", part]));
  const names = { stdin: "input", stdout: "output", stderr: "error", tty: "tty" };
  for (const [name, kubeletName] of Object.entries(names))
    if (parameters.get(name) === "true" || parameters.get(name) === "1") renamed.set(kubeletName, "1");
  return renamed;
}

function kubeletPath(
  verb: string,
  { key }: SubresourceRequest,
  container: string,
  parameters: URLSearchParams,
  only?: readonly string[],
): string {
  const parts = [key.namespace, key.name, ...(container === "" ? [] : [container])].map(encodeURIComponent);
  const kept = only === undefined ? parameters : new URLSearchParams([...parameters].filter(([name]) => only.includes(name)));
  const query = kept.toString();
  return `/${verb}/${parts.join("/")}${query === "" ? "" : `?${query}`}`;
}

/** SPDY, and what runtimes know of WebSocket, is the two ends' own; newer sub-protocols are translated. */
function stream(exchange: RawExchange, { backend, path }: { readonly backend: Backend; readonly path: string }): Promise<void> {
  const { request, answer } = exchange;
  if (answer.kind !== "upgrade" || !translated(request, streamProtocol)) return forward(exchange, { backends: [backend], path });
  const query = new URL(path, "https://kubelet").searchParams;
  const wanted = { stdin: query.has("input"), stdout: query.has("output"), stderr: query.has("error"), tty: query.has("tty") };
  return translateStreams({ request, client: answer, backend, path, refused: refuseFailure }, wanted);
}

/** Longest text of a kubelet's refusal that is repeated to the client. */
const refusalLength = 2_000;

/** A kubelet's refusal is plain text; clients are told in a Status. */
async function refuseFailure(answer: IncomingMessage): Promise<void> {
  const { statusCode = 500 } = answer;
  if (statusCode < 400) return;
  let text = "";
  for await (const chunk of answer.setEncoding("utf8") as AsyncIterable<string>) if (text.length < refusalLength) text += chunk;
  const reasons: Readonly<Record<number, string>> = { 400: "BadRequest", 404: "NotFound", 403: "Forbidden" };
  throw new StatusError(statusCode, reasons[statusCode] ?? "InternalError", text.trim().slice(0, refusalLength));
}
