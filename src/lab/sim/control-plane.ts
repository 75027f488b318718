import type { IncomingMessage } from "node:http";
import { parseControllerConfig } from "#controller/config.ts";
import { componentInfoDefinitions } from "#core/api/component-info.ts";
import { customResourceDefinitions, upstreamDefinitions } from "#core/api/crd/index.ts";
import type { Authenticator } from "#lib/apiserver/auth/authenticator.ts";
import { allowAuthenticated } from "#lib/apiserver/auth/authorizer.ts";
import { reviewResources } from "#lib/apiserver/auth/reviews.ts";
import { customResourceDefinitionKind } from "#lib/apiserver/custom-resources/definition-kind.ts";
import { serveCustomResources } from "#lib/apiserver/custom-resources/serve.ts";
import { serviceUnavailable } from "#lib/apiserver/errors.ts";
import { answerError } from "#lib/apiserver/http/exchange.ts";
import { type Objects, openObjects } from "#lib/apiserver/objects.ts";
import { mergedDocuments } from "#lib/apiserver/proxy/merged-documents.ts";
import { createApiServer } from "#lib/apiserver/server.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import { createKubeClient, type KubeClient, type KubeObject } from "#lib/kube/index.ts";
import {
  type Duration,
  errorMessage,
  type Logger,
  minutes,
  type Random,
  type Runtime,
  milliseconds,
  seconds,
  seededRandom,
  sleep,
  type VirtualClock,
} from "#lib/runtime/index.ts";
import { kubernetesKinds } from "../kubernetes/kinds/index.ts";
import { createSimAggregator } from "./aggregator.ts";
import type { BuildChoice } from "./builds.ts";
import { controllerAddress, findPeers, keepEndpoints, makeAntreaService } from "./endpoints.ts";
import type { Listening } from "./cluster.ts";
import { createDisk, createSimStorage, type SimDisk } from "./disk.ts";
import { type SimServer, simTransport, userHeader } from "./http.ts";
import type { Mutant } from "./mutants.ts";
import type { SimNetwork } from "./network.ts";
import { createProcess, type SimProcess } from "./process.ts";

/** One antrea-controller of a simulation, on a host of its own. */
export interface SimController {
  readonly disk: SimDisk;
  /** `controller`, `controller-2`, …: its host and its process's name. */
  readonly name: string;
  /** Another one after each start. */
  readonly process: SimProcess;
  /** Another one after each start. */
  readonly address: string;
  kill(): void;
  /** Nothing when it runs. */
  start(): void;
}

export const controllerName = (index: number): string => (index === 0 ? "controller" : `controller-${index + 1}`);

/** API server and controllers of a simulation: the real ones, without sockets. */
export interface SimControlPlane {
  /** The API's objects, for those who write without a network in between. Another one after each start of the API server. */
  readonly objects: Objects;
  readonly api: SimProcess;
  readonly controllers: readonly SimController[];
  /** Who listens on a host now. */
  serverOf(host: string): SimServer | undefined;
  /** The host that has, or had, an address of Service `antrea`, and who listens at it now. */
  at(address: string): { readonly host: string; server(): SimServer | undefined };
  /** Kills and starts again, from what is on disk: its watch caches are empty, older versions are gone. */
  restartApi(): void;
  /** How the API treats requests: each waits so long, and of a thousand so many are refused. */
  readonly weather: { slow: Duration; failing: number };
}

export interface SimControlPlaneOptions {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: SimNetwork;
  readonly controllers: number;
  readonly builds: BuildChoice;
  readonly mutant: Mutant;
  readonly listening: Listening | undefined;
  readonly workloads: boolean;
  /** Where a controller is at its start of that number. Default: each time elsewhere, as when another Pod takes the place of one. */
  readonly addressOf?: (controller: number, start: number) => string;
  readonly processes: Set<SimProcess>;
  readonly parse: (text: string) => unknown;
  /** Hears of each API server that starts, once its objects can be read and before it answers. */
  readonly opened: (objects: Objects) => void;
}

const restartDelay = seconds(1);
/** What is off elsewhere is to be looked at, too. */
const controllerConfig = parseControllerConfig("featureGates: {ClusterNetworkPolicy: true}", "simulated antrea-controller.conf");
/** A controller that does not answer within this time is not ready. */
const probeLimit = seconds(1);
const houseInterval = minutes(1);
/** One processor bears all agents here: with more than 20 they hear heartbeats more rarely than each 200 ms. */
const mostHeartbeatsPerSecond = 100;

/**
 * The API server's processors answer so many requests in a millisecond; of more, the later ones wait. Where thousands of agents start at once, the lists that all of them ask for are not all on the
 * way at the same time, each with a text of its own.
 */
const answersPerMillisecond = 100;

const simulatedUsers: Authenticator = {
  authenticate({ headers }: IncomingMessage) {
    const user = headers[userHeader];
    return typeof user === "string" ? { username: user, groups: ["system:masters"] } : undefined;
  },
};

export async function startControlPlane(options: SimControlPlaneOptions): Promise<SimControlPlane> {
  const { clock, random, logger, network, builds, mutant, processes, parse, opened, addressOf = controllerAddress } = options;
  const storage = createSimStorage();
  const weather = { slow: 0, failing: 0 };
  const runtimeOf = (process: SimProcess): Runtime => ({
    clock: process.clock,
    random: seededRandom(random.below(2 ** 32)),
    logger: logger.with({ process: process.name }),
  });
  const servers = new Map<string, SimServer>();

  /** By address without its port: whose it is, or was. */
  const addressed = new Map<string, SimController>();
  const at: SimControlPlane["at"] = (address) => {
    const host = address.replace(/:\d+$/, "");
    const name = addressed.get(host)?.name ?? host;
    return { host: name, server: () => (addressed.get(host)?.address === host ? servers.get(name) : undefined) };
  };
  const startApi = (): { readonly process: SimProcess; readonly objects: Objects } => {
    const process = createProcess({ clock, name: "kube-apiserver", all: processes });
    const runtime = runtimeOf(process);
    const resources = [
      ...kubernetesKinds({ serviceCidrs: [parsePrefix("10.96.0.0/16"), parsePrefix("fd00:10:96::/112")] }),
      customResourceDefinitionKind(() => objects.definitions),
      ...reviewResources({ authenticators: () => [simulatedUsers], authorizer: () => allowAuthenticated }),
    ];
    const objects: Objects = openObjects({ runtime, resources, storage });
    serveCustomResources({ runtime, objects, signal: process.signal });
    const server = createApiServer({
      runtime,
      objects,
      documents: mergedDocuments(objects),
      aggregator: createSimAggregator({
        process,
        random,
        objects: () => objects,
        connect(address, user) {
          const { host, server: listener } = at(address);
          return simTransport({ network, random, host: "kubernetes", process, user, to: host, server: listener });
        },
      }),
      tls: { certificate: "", key: "" },
      authenticators: [simulatedUsers],
      authorizer: allowAuthenticated,
    });
    let freeAt: Duration = 0;
    servers.set("kubernetes", {
      host: "kubernetes",
      process,
      async answer(request, response) {
        const now = process.clock.monotonic();
        freeAt = Math.max(freeAt, now) + milliseconds(1) / answersPerMillisecond;
        if (freeAt - now > milliseconds(1)) await sleep(process.clock, freeAt - now);
        if (weather.slow > 0) await sleep(process.clock, random.below(weather.slow));
        if (weather.failing > 0 && random.below(1_000) < weather.failing)
          return answerError({ request, response, warnings: [] }, serviceUnavailable("the simulation says so"));
        return server.answer(request, response);
      },
    });
    const keepHouse = (): void => {
      objects.store.bookmark();
      process.clock.after(houseInterval, keepHouse);
    };
    process.clock.after(houseInterval, keepHouse);
    opened(objects);
    return { process, objects };
  };
  let api = startApi();
  const write = async (resource: { readonly group: string; readonly resource: string }, object: KubeObject): Promise<void> => {
    await api.objects.create(resource, object, writer);
  };
  for (const name of ["kube-system", "default"])
    await write({ group: "", resource: "namespaces" }, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  const infos = componentInfoDefinitions.map(({ name, spec }) => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name },
    spec,
  }));
  for (const definition of [...customResourceDefinitions, ...upstreamDefinitions, ...infos])
    await write({ group: "apiextensions.k8s.io", resource: "customresourcedefinitions" }, definition as unknown as KubeObject);

  await makeAntreaService((resource, object) => write(resource, object as KubeObject));

  const createController = (index: number): SimController => {
    const name = controllerName(index);
    let starts = 0;
    const disk = createDisk();
    let address = "";
    let running: SimProcess | undefined;
    const start = (): SimProcess => {
      if (running !== undefined && running.state !== "dead") return running;
      const process = createProcess({ clock, name: `antrea-${name}`, all: processes });
      running = process;
      address = addressOf(index, starts);
      addressed.set(address, controller);
      const runtime = runtimeOf(process);
      const way = { network, random, host: name, process, user: "antrea-controller" };
      const transport = simTransport({ ...way, to: "kubernetes", server: () => servers.get("kubernetes") });
      const build = builds(index, starts++);
      const own = build.createKubeClient({ config: { server: "http://kubernetes" }, transport, parse });
      const client = mutant.ofController?.(own) ?? own;
      const connect = (to: string): KubeClient => {
        const { host, server } = at(to);
        return build.createKubeClient({ config: { server: `http://${to}` }, transport: simTransport({ ...way, to: host, server }), parse });
      };
      build
        .runController({
          runtime,
          config: controllerConfig,
          configFile: "simulated antrea-controller.conf",
          environment: { POD_NAME: `antrea-${name}` },
          signal: process.signal,
          platform: {
            client,
            files: disk.files,
            authenticators: [simulatedUsers],
            peers: findPeers({ build, runtime, kubernetes: client, connect, signal: process.signal }),
            mostHeartbeatsPerSecond,
            async listen(server, port) {
              if (options.listening !== undefined)
                options.listening({ host: name, process, ...(await server.listen({ host: "127.0.0.1", port: 0 })) });
              servers.set(name, { host: name, process, answer: (request, response) => server.answer(request, response) });
              await Promise.resolve();
              return { port };
            },
          },
        })
        .catch((error: unknown) => {
          if (process.state === "dead") return;
          logger.error("the controller ended", { name, error: errorMessage(error) });
          process.kill();
          clock.after(restartDelay, start);
        });
      return process;
    };
    const controller: SimController = {
      disk,
      name,
      get process() {
        return process;
      },
      get address() {
        return address;
      },
      kill() {
        servers.delete(name);
        process.kill();
      },
      start() {
        process = start();
      },
    };
    let process = start();
    return controller;
  };
  const controllers = Array.from({ length: options.controllers }, (_, index) => createController(index));
  const manager = createProcess({ clock, name: "kube-controller-manager", all: processes });
  const wayOf = { network, random, process: manager, user: "kube-controller-manager" };
  keepEndpoints({
    runtime: runtimeOf(manager),
    client: createKubeClient({
      config: { server: "http://kubernetes" },
      transport: simTransport({ ...wayOf, host: "kubernetes", to: "kubernetes", server: () => servers.get("kubernetes") }),
      parse,
    }),
    process: manager,
    workloads: options.workloads,
    controllers: () => controllers,
    // A kubelet is on the host of what it looks after.
    async isReady({ name }) {
      const transport = simTransport({ ...wayOf, host: name, to: name, server: () => servers.get(name) });
      const late = new AbortController();
      const timer = manager.clock.after(probeLimit, () => late.abort(new Error("no answer")));
      try {
        const { status, body } = await transport.send({ method: "GET", path: "/readyz", signal: late.signal });
        body.resume();
        return status === 200;
      } catch {
        return false;
      } finally {
        timer.cancel();
      }
    },
  });
  return {
    get objects() {
      return api.objects;
    },
    get api() {
      return api.process;
    },
    controllers,
    at,
    serverOf: (host) => servers.get(host),
    restartApi() {
      api.process.kill();
      api = startApi();
    },
    weather,
  };
}

/** As whom the simulation's own users write. */
export const writer = {
  user: { username: "user", groups: ["system:masters"] },
  parameters: new URLSearchParams(),
  signal: new AbortController().signal,
  dryRun: false,
  warn() {},
};
