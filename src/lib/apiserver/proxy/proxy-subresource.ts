import { parsePrefix } from "#lib/ip/prefix.ts";
import { tryParseAddress } from "#lib/ip/address.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { badRequest, notFound, serviceUnavailable } from "../errors.ts";
import type { SubresourceHandler, SubresourceRequest } from "../subresource.ts";
import { forward } from "./forward.ts";
import { proxiedPath, proxyOptions } from "./proxy-path.ts";
import { parseProxyTarget, type ProxyTarget } from "./proxy-target.ts";
import { type Address, endpointsOf } from "./service-address.ts";

const pods = { group: "", resource: "pods" };
const services = { group: "", resource: "services" };

/** `pods/NAME/proxy/PATH` and `services/NAME/proxy/PATH`: HTTP to a pod, through this server. NAME may be `SCHEME:NAME:PORT`, with a port's name for Services. */
export function proxySubresources(
  /** Which addresses may be those of pods. Default: all but this machine's own and those of its links. */
  mayBePod: (host: string) => boolean = isElsewhere,
): Readonly<Record<"pods" | "services", SubresourceHandler>> {
  return {
    pods: proxy("PodProxyOptions", podAddress, mayBePod),
    services: proxy("ServiceProxyOptions", serviceAddress, mayBePod),
  };
}

function proxy(
  kind: string,
  addressOf: (request: SubresourceRequest, wanted: ProxyTarget) => Address,
  mayBePod: (host: string) => boolean,
): SubresourceHandler {
  return {
    kind,
    verbs: ["get", "create", "update", "patch", "delete"],
    options: proxyOptions,
    connect(request, exchange) {
      const wanted = parseProxyTarget(request.key.name);
      const { host, port } = addressOf(request, wanted);
      if (!mayBePod(host)) throw badRequest(`address ${host} is not a pod's`);
      const backend = { host, port, scheme: wanted.scheme };
      return forward(exchange, {
        backends: [backend],
        path: proxiedPath(exchange.request),
        headers: { host: `${host}:${port}` },
      });
    },
  };
}

interface Pod extends KubeObject {
  readonly spec?: {
    readonly containers?: readonly { readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[] }[];
  };
  readonly status?: { readonly podIP?: string };
}

const defaultPorts = { http: 80, https: 443 };

function podAddress({ key, objects }: SubresourceRequest, { scheme, name, port }: ProxyTarget): Address {
  const pod = objects.get(pods, { ...key, name }) as Pod | undefined;
  if (pod === undefined) throw notFound(pods, name);
  const host = pod.status?.podIP;
  if (host === undefined || host === "") throw serviceUnavailable(`pod ${name} has no address yet`);
  const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const named = port === "" ? ports[0] : ports.find((one) => one.name === port);
  return { host, port: /^\d+$/.test(port) ? portNumber(port) : (named?.containerPort ?? defaultPorts[scheme]) };
}

interface Service extends KubeObject {
  readonly spec?: { readonly ports?: readonly { readonly name?: string; readonly port: number }[] };
}

function serviceAddress({ key, objects }: SubresourceRequest, { name, port }: ProxyTarget): Address {
  const service = objects.get(services, { ...key, name }) as Service | undefined;
  if (service === undefined) throw notFound(services, name);
  const ports = service.spec?.ports ?? [];
  const found =
    port === "" ? (ports.length === 1 ? ports[0] : undefined) : ports.find((one) => (one.name ?? "") === port || String(one.port) === port);
  if (found === undefined) throw serviceUnavailable(`no port ${JSON.stringify(port)} in service ${name}: name one of its ports`);
  const resolution = endpointsOf(objects, { namespace: key.namespace, name, port: found.port });
  const [first] = "addresses" in resolution ? resolution.addresses : [];
  if (first === undefined) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  return first;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (port < 1 || port > 65_535) throw badRequest(`port ${text} is not from 1 to 65535`);
  return port;
}

/** This machine's own, and its neighbours': whoever writes a pod's status could name them. */
const notPods = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "224.0.0.0/4", "ff00::/8"].map(parsePrefix);

function isElsewhere(host: string): boolean {
  const address = tryParseAddress(host);
  return address !== undefined && !notPods.some((prefix) => prefix.contains(address));
}
