import { controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { statsGroup, statsVersion } from "#core/api/stats/names.ts";
import type { Aggregator } from "#lib/apiserver/aggregator.ts";
import type { DiscoveredVersion } from "#lib/apiserver/discovery/aggregated.ts";
import type { ApiResource } from "#lib/apiserver/discovery/resource-list.ts";
import { badRequest, serviceUnavailable } from "#lib/apiserver/errors.ts";
import type { Objects } from "#lib/apiserver/objects.ts";
import { endpointsOf } from "#lib/apiserver/proxy/service-address.ts";
import type { Transport } from "#lib/kube/transport.ts";
import { type Random, seconds, sleep } from "#lib/runtime/index.ts";
import type { SimProcess } from "./process.ts";

/** What controllers answer for behind the Kubernetes API, as the product's manifest registers it. */
const groupVersions = [
  { group: controlplaneGroup, version: controlplaneVersion },
  { group: statsGroup, version: statsVersion },
  { group: "system.antrea.io", version: "v1beta1" },
];
/** Until one has said what it serves it is asked this often. */
const askAgain = seconds(2);
const service = { namespace: "kube-system", name: "antrea" };

/** The way from the API server to controllers over the simulated network: each request goes to one of those that the Service's slices call ready. */
export function createSimAggregator(options: {
  readonly process: SimProcess;
  readonly random: Random;
  readonly objects: () => Objects;
  /** To whoever listens at the address, as that user. */
  readonly connect: (address: string, user: string) => Transport;
}): Aggregator {
  const { process, random, objects, connect } = options;
  let discovered: readonly DiscoveredVersion[] = [];
  const pick = (user: string): Transport => {
    const found = endpointsOf(objects(), service);
    if (!("addresses" in found)) throw serviceUnavailable(found.message);
    const chosen = found.addresses[random.below(found.addresses.length)];
    return connect(`${chosen?.host}:${chosen?.port}`, user);
  };
  const discover = async (): Promise<void> => {
    const found: DiscoveredVersion[] = [];
    for (const { group, version } of groupVersions) {
      const { body } = await pick("system:kube-apiserver").send({ method: "GET", path: `/apis/${group}/${version}` });
      const { resources = [] } = JSON.parse(await textOf(body)) as { readonly resources?: readonly ApiResource[] };
      found.push({ group, version, resources });
    }
    discovered = found;
  };
  const untilDiscovered = async (): Promise<void> => {
    while (discovered.length === 0 && !process.signal.aborted) {
      await sleep(process.clock, askAgain, process.signal).catch(() => {});
      await discover().catch(() => {});
    }
  };
  void untilDiscovered();

  return {
    claims: (asked) => groupVersions.some(({ group, version }) => group === asked.group && version === asked.version),
    async forward(_, { answer }, user, request) {
      if (answer.kind !== "response") throw badRequest("the simulation passes no upgraded connections on");
      const { response } = answer;
      const gone = new AbortController();
      response.once("close", () => gone.abort(new Error("the client is gone")));
      const text = request.method === "GET" || request.method === "HEAD" ? "" : await textOf(request);
      const { accept, "content-type": type } = request.headers;
      const reply = await pick(user.username)
        .send({
          method: request.method ?? "GET",
          path: request.url ?? "/",
          headers: { ...(accept !== undefined && { accept }), ...(type !== undefined && { "content-type": type }) },
          ...(text !== "" && { body: text }),
          signal: gone.signal,
        })
        .catch((error: unknown) => {
          throw serviceUnavailable(`error trying to reach service: ${String(error)}`);
        });
      const passed = reply.headers["content-type"];
      response.writeHead(reply.status, passed === undefined ? {} : { "content-type": passed });
      response.flushHeaders();
      reply.body.on("error", () => response.destroy());
      reply.body.pipe(response);
    },
    discovered: () => discovered,
    close() {},
  };
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
