import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import {
  createKubeClient,
  type EndpointSlice,
  inClusterConfig,
  type KubeObject,
  loadKubeconfig,
  type Resource,
  reflect,
  services,
} from "#lib/kube/index.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage, systemRuntime } from "#lib/runtime/index.ts";
import { parseResolvConf } from "../kubelet/dns.ts";
import { clusterNames, serviceIndexes, sliceIndexes } from "./cluster-names.ts";
import { createForwarder } from "./forward.ts";
import { serveDns } from "./serve.ts";
import { parseZone, type Zone } from "./zone.ts";

const namespaces: Resource<KubeObject> = { group: "", version: "v1", plural: "namespaces", kind: "Namespace", namespaced: false };
const slices: Resource<EndpointSlice> = {
  group: "discovery.k8s.io",
  version: "v1",
  plural: "endpointslices",
  kind: "EndpointSlice",
  namespaced: true,
};

/** Where the stock server tells that it lives and that it knows the cluster: its manifests ask there. */
const healthPort = 8080;
const readyPort = 8181;

/** How often the zone's file is looked at: it is a ConfigMap, which reaches a pod within a minute. */
const zonePeriod = seconds(1);

/** The cluster's name server: Services and endpoints by the API, other names by a zone file, and where asked to by the servers in /etc/resolv.conf. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(2).map((arg) => (arg === "-conf" ? "--conf" : arg)),
    options: {
      domain: { type: "string", default: "cluster.local" },
      port: { type: "string", default: "53" },
      kubeconfig: { type: "string", default: "" },
      "zone-file": { type: "string", default: "" },
      forward: { type: "boolean", default: false },
      // The stock server's configuration: its manifests name it, nothing here reads it.
      conf: { type: "string" },
    },
  });
  const runtime = systemRuntime({ level: "info" });
  const config = values.kubeconfig === "" ? inClusterConfig() : loadKubeconfig(values.kubeconfig);
  if (config === undefined) throw new Error("neither --kubeconfig nor a service account of a pod");
  const common = { runtime, client: createKubeClient({ config, userAgent: "lab-dns" }), signal: new AbortController().signal };
  const rows = {
    namespaces: reflect({ ...common, resource: namespaces }),
    services: reflect({ ...common, resource: services, indexes: serviceIndexes }),
    slices: reflect({ ...common, resource: slices, indexes: sliceIndexes }),
  };
  const tables = Object.values(rows);
  const cluster = clusterNames(rows, values.domain);
  const zone = await followZone(values["zone-file"], (problem) => runtime.logger.warn("the zone file", { problem }));
  const servers = values.forward ? parseResolvConf(await readFile("/etc/resolv.conf", "utf8").catch(() => "")).servers : [];
  const answers = (path: string, port: number, good: () => boolean): void => {
    createServer((request, response) => {
      response.statusCode = request.url === path ? (good() ? 200 : 503) : 404;
      response.end(response.statusCode === 200 ? "OK" : "");
    }).listen(port, "::");
  };
  answers("/health", healthPort, () => true);
  answers("/ready", readyPort, () => tables.every(({ synced }) => synced));
  await Promise.all(tables.map((table) => table.whenSynced()));
  const owned = `.${values.domain}`;
  await serveDns({
    port: Number(values.port),
    responder: {
      lookup: (name) => cluster(name) ?? zone()?.lookup(name),
      owns: (name) => name === values.domain || name.endsWith(owned),
      forwards: servers.length > 0,
    },
    ...(servers.length === 0 ? {} : { forwarder: createForwarder({ servers }) }),
  });
  runtime.logger.info("answering", { domain: values.domain, port: values.port, forwarding: servers.join(" ") || "nothing" });
}

/** The zone as its file is now; no file, no zone. */
async function followZone(file: string, complain: (problem: string) => void): Promise<() => Zone | undefined> {
  let text = "";
  let zone: Zone | undefined;
  const read = async (): Promise<void> => {
    const found = await readFile(file, "utf8").catch(() => "");
    if (found === text) return;
    text = found;
    zone = parseZone(found);
    for (const problem of zone.problems.slice(0, 10)) complain(problem);
  };
  if (file !== "") {
    await read();
    setInterval(() => void read(), zonePeriod).unref();
  }
  return () => zone;
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(0));
main().catch((error: unknown) => {
  process.stderr.write(`coredns (the lab's own): ${errorMessage(error)}\n`);
  process.exit(1);
});
