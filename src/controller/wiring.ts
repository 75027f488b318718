import { hostname } from "node:os";
import { join } from "node:path";
import type { ExternalEntity } from "#core/api/antrea/external-entity.ts";
import { externalNodes } from "#core/api/antrea/resources.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import {
  asOfParameter,
  type ComputedRevisions,
  controlplaneGroup,
  controlplaneProtobuf,
  decodeComputedRevisions,
  decodeTold,
  policyRevision,
  type PolicyType,
} from "#core/api/controlplane/index.ts";
import { createPolicyObjects, finish, type PolicyChanges, type PolicyObjects, type Steps } from "#core/policy/index.ts";
import type { Authenticator } from "#lib/apiserver/auth/authenticator.ts";
import { badRequest, notFound } from "#lib/apiserver/errors.ts";
import { openObjects } from "#lib/apiserver/objects.ts";
import { createOpenApi } from "#lib/apiserver/openapi/index.ts";
import { createApiServer } from "#lib/apiserver/server.ts";
import { tlsLimits } from "#lib/apiserver/tls-limits.ts";
import { mastersGroup, type UserInfo } from "#lib/apiserver/user.ts";
import {
  connectKubernetes,
  createLoopbackToken,
  delegatedAuthentication,
  delegatedAuthorization,
  followServiceReplicas,
  keepPublished,
  kubernetesConfig,
  loopbackAuthenticator,
  version,
} from "#lib/daemon/index.ts";
import {
  holdLease,
  type KubeClient,
  type KubeObject,
  leanPod,
  namespaces,
  networkPolicies,
  nodes,
  pods,
  type Reflection,
  reflect,
} from "#lib/kube/index.ts";
import { profilePaths } from "#lib/profiling/index.ts";
import { nameSuffix } from "#lib/runtime/random.ts";
import { type Files, systemFiles } from "#lib/runtime/files.ts";
import { whenAborted } from "#lib/runtime/on-abort.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { keepComponentInfos, nodeName } from "./component-infos.ts";
import type { ControllerConfig } from "./config.ts";
import { controlplaneDefinitions, type PolicyReports } from "./controlplane/definitions.ts";
import { emptyDefinitions } from "./controlplane/empty-resources.ts";
import { keepHeartbeat } from "./controlplane/heartbeat.ts";
import { once } from "./controlplane/once.ts";
import { ownNodeOnly } from "./controlplane/own-node.ts";
import { createPacing } from "./controlplane/pacing.ts";
import { createControlplaneStores } from "./controlplane/stores.ts";
import { createPolicyInputs } from "./inputs.ts";
import { admissionPaths, openWebhooks } from "./admission/paths.ts";
import { keepStatistics } from "./statistics/keep.ts";
import { ChangeTimes } from "./status/change-times.ts";
import { describeEnforcement } from "./status/enforcement.ts";
import { keepStatus } from "./status/keep-status.ts";
import { followLateNodes } from "./status/follow-late-nodes.ts";
import { MemberMarks } from "./status/member-marks.ts";
import { MemberProofs } from "./status/member-proofs.ts";
import { isOf } from "./status/realization.ts";
import { AgentSessions } from "./status/agent-sessions.ts";
import { membersOf, RealizationReports, statusesOf } from "./status/reports.ts";
import { keepEntities } from "./external-nodes/keep-entities.ts";
import { keepTiers } from "./keep-tiers.ts";
import { followPolicySources } from "./policy-sources.ts";
import { exchangeReports } from "./exchange/exchange.ts";
import type { Peers } from "./exchange/follow-peers.ts";
import { controllerPaths, profiling } from "./paths.ts";
import { queryDefinitions } from "./queries/index.ts";
import { type ControllerMetrics, createControllerMetrics } from "./metrics.ts";
import { readyGate } from "./readiness.ts";
import { createReportLane, isReport } from "./report-lane.ts";
import { readClientCa } from "./serving/client-ca.ts";
import { clientCertificates } from "./serving/client-certificates.ts";
import { type ClusterAuthorities, followClusterAuthorities } from "./serving/cluster-authorities.ts";
import { followProvidedCertificate } from "./serving/follow-provided.ts";
import { listenEverywhere } from "./serving/listen.ts";
import { publishAuthority } from "./serving/publish-authority.ts";
import { type ServingCertificate, temporaryCertificate } from "./serving/serving-certificate.ts";
import { followSharedAuthority } from "./serving/shared-authority.ts";
import { controllerInfoDefinition } from "./system/controller-info.ts";
import { describeController } from "./system/describe.ts";

/** antctl in the same Pod may do everything. */
const localUser: UserInfo = { username: "system:antrea-loopback", groups: [mastersGroup] };

export interface ControllerOptions {
  readonly runtime: Runtime;
  readonly config: ControllerConfig;
  readonly configFile: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** What it stands on beside the configuration. A simulation hands in its own; default: the machine. */
  readonly platform?: ControllerPlatform;
  /** Hears the port once it answers. */
  readonly serving?: (port: number) => void;
}

type Paths = NonNullable<Parameters<typeof createApiServer>[0]["paths"]>;

/** Everything outside of its process that the controller stands on. */
export interface ControllerPlatform {
  readonly client: KubeClient;
  /** The controller's own files. */
  readonly files: Files;
  /** Knows who asks, before the controller's own ways. */
  readonly authenticators: readonly Authenticator[];
  readonly listen: typeof listenEverywhere;
  /** The other controllers. */
  readonly peers: Peers;
  /** Where many processes share one processor, heartbeats are rarer. */
  readonly mostHeartbeatsPerSecond?: number;
}

/** The whole controller, until `signal` aborts. */
export async function runController({
  runtime,
  config,
  configFile,
  environment,
  signal,
  platform,
  serving,
}: ControllerOptions): Promise<void> {
  const { clock, random, logger } = runtime;
  const { values, featureGates } = config;
  const isOn = (gate: string): boolean => featureGates.some(({ name, enabled }) => name === gate && enabled);
  const namespace = environment.POD_NAMESPACE || "kube-system";
  const client =
    platform?.client ?? connectKubernetes({ config: values, configFile, environment, userAgent: `antrea-controller/${version}` });
  const source = { runtime, client, signal };
  const peerControllers = (): Peers =>
    followServiceReplicas({
      runtime,
      kubernetes: client,
      identity: kubernetesConfig({ config: values, configFile, environment }),
      namespace,
      service: "antrea",
      authorityConfigMap: "antrea-ca",
      userAgent: `antrea-controller/${version}`,
      signal,
    });

  // of all replicas, the one that may write to the Kubernetes API
  const origin = nameSuffix(random, 8);
  const identity = `${environment.POD_NAME || hostname()}_${origin}`;
  const lease = holdLease({ ...source, namespace, name: "antrea-controller", identity });

  // sources: what the cluster says
  const sources = followPolicySources({ ...source, featureGates });
  const metrics = createControllerMetrics();
  const computed = timed(createPolicyObjects(), clock, metrics);
  const kubernetesPolicies = reflect({ ...source, resource: networkPolicies });
  const inputs = createPolicyInputs({
    runtime,
    objects: computed,
    namespaces: reflect({ ...source, resource: namespaces }),
    pods: reflect({ ...source, resource: pods, transform: leanPod }),
    policies: kubernetesPolicies,
    others: sources,
    // targets: every watcher hears what concerns it, then how far things are computed
    publish: (changes, nodes) => {
      stores.publish(changes, nodes);
      status?.changed(changes);
      const now = clock.monotonic();
      times.take(changes.policies, now);
      reports.published(changes.policies);
      members.changed(marks.published(changes, inputs.isVersioned ? inputs.computed : undefined), now);
      late.touch();
    },
  });
  const { engine } = inputs;
  const ready = readyGate({ inputs, clock });
  const ownNode = ownNodeOnly({ logger, agent: `system:serviceaccount:${namespace}:antrea-agent` });
  const stores = createControlplaneStores({
    engine,
    ready,
    computed: () => inputs.computed,
    clock,
    origin,
    ownNode,
    mostHeartbeatsPerSecond: platform?.mostHeartbeatsPerSecond,
    pacing: createPacing({ clock, random }),
  });

  // targets in the Kubernetes API: the tiers that are always there, how far policies are enforced, and what ExternalNodes are to policies
  const reports = new RealizationReports((node, policy) => exchange.changed(node, policy));
  const times = new ChangeTimes();
  const nodeNames = reflect({ ...source, resource: nodes, transform: nodeName });
  const marks = new MemberMarks();
  const members = new MemberProofs({ marks, isKnown: (node) => nodeNames.get(node) !== undefined });
  const sessions = new AgentSessions();
  nodeNames.subscribe(({ key, after }) => {
    if (after !== undefined) return;
    members.forget(key);
    sessions.forget(key);
  });
  const late = followLateNodes({ clock, engine, proofs: members, changed: (uid) => status?.reported(uid), signal });
  const status =
    sources.length === 0
      ? undefined
      : keepStatus({ ...source, lease, objects: computed, sources, reports, late, written: metrics.onStatusWritten });
  const tiers = sources.find(({ kind }) => kind === "Tier")?.table as Reflection<Tier> | undefined;
  if (tiers !== undefined) keepTiers({ ...source, lease, tiers });
  const entities = sources.find(({ kind }) => kind === "ExternalEntity")?.table as Reflection<ExternalEntity> | undefined;
  const externalMachines = isOn("ExternalNode") ? [reflect({ ...source, resource: externalNodes, mayBeAbsent: true })] : [];
  if (entities !== undefined) for (const nodes of externalMachines) keepEntities({ ...source, lease, nodes, entities });
  keepHeartbeat({ clock, stores, signal });
  // What agents report waits for what is computed
  const lane = createReportLane({ clock, isComputing: () => inputs.isComputing });
  metrics.watch({
    waitingReports: () => lane.waiting,
    waiting: () => inputs.waiting,
    connectedAgents: () => stores.connectedAgents,
    troubledPolicies: () => inputs.problems.size,
    largePolicies: () => inputs.largePolicies,
  });

  // the API: computed kinds, the controller about itself, antctl's paths
  let apiPort = values.apiPort;
  const describe = () => describeController({ engine, stores, inputs, environment, namespace, apiPort, now: clock.wall() });
  keepComponentInfos({ ...source, lease, machines: [nodeNames, ...externalMachines], describe });
  const policyReports: PolicyReports = {
    take(uid, body, user) {
      const statuses = statusesOf(uid, body);
      const proven = membersOf(uid, body);
      const told = decodeTold(body);
      const tellers = new Set(statuses.flatMap((each) => RealizationReports.nodesOf(each.nodes)));
      if (proven !== undefined) tellers.add(proven.node);
      for (const node of tellers) ownNode(user, "networkpolicies", node);
      for (const node of tellers) sessions.hear(node, told);
      if (proven !== undefined) {
        members.take(proven.node, proven.computed, clock.monotonic(), told);
        late.touch();
      }
      for (const { policy, nodes } of statuses) {
        reports.take(policy, nodes, clock.monotonic(), told);
        status?.reported(policy);
      }
    },
    async read(uid, { user, parameters, signal: giveUp }) {
      ownNode(user, "networkpolicies", undefined);
      const asked = parameters.get(asOfParameter);
      const asOf = asked === null ? undefined : decodeComputedRevisions(asked);
      if (asOf?.ok === false) throw badRequest(`${asOfParameter}: ${asOf.path}: ${asOf.reason}`);
      await ready(giveUp);
      await marks.whenKnown();
      const policy = engine.policy(uid);
      if (policy === undefined) throw notFound({ group: controlplaneGroup, resource: "networkpolicies" }, uid);
      const { row, span } = policy;
      return describeEnforcement({
        policy,
        reports: reports.of(uid),
        times,
        isMembersProven: members.of(row, asOf?.value),
        asOf: members.asOf(row, span.nodes()) ?? nothingChanged(inputs.computed),
      });
    },
  };
  // What policies let through and deny, as agents count it
  const statistics = keepStatistics({
    runtime,
    enabled: isOn("NetworkPolicyStats"),
    nodes: nodeNames,
    policies: new Map<PolicyType, Reflection<KubeObject>>([
      ["K8sNetworkPolicy", kubernetesPolicies],
      ...sources.flatMap(({ kind, table }) =>
        kind === "AntreaNetworkPolicy" || kind === "AntreaClusterNetworkPolicy" ? [[kind, table] as const] : [],
      ),
    ]),
    rulesOf(uid) {
      const row = engine.policy(uid)?.row;
      // Of a policy of Kubernetes the agents name what is counted: what it would allow and deny while it is staged.
      if (row === undefined || row.sourceRef.type === "K8sNetworkPolicy") return undefined;
      return new Set(row.rules.flatMap(({ name }) => name ?? []));
    },
    ready,
    ownNode,
    origin,
    changed: (node, policy) => exchange.changed(node, policy),
    whenHeard: () => exchange.whenHeard(),
    whenShared: () => exchange.whenShared(),
  });
  // What agents told one replica, all know
  const exchange = exchangeReports({
    runtime,
    origin,
    peers: platform?.peers ?? peerControllers(),
    ready,
    statistics,
    enforced: {
      on: (node, policy) => reports.of(policy).get(node),
      join(node, policy, report) {
        const { row } = engine.policy(policy) ?? {};
        const revision = once(() => (row === undefined ? "" : policyRevision(row)));
        if (reports.join(policy, node, report, (each) => row !== undefined && isOf(each, row.generation, revision)))
          status?.reported(policy);
      },
    },
    signal,
  });
  const resources = [
    ...controlplaneDefinitions(stores.stores, policyReports),
    ...emptyDefinitions,
    ...statistics.definitions,
    exchange.definition,
    ...queryDefinitions({ objects: computed, ready }),
    controllerInfoDefinition(describe),
  ];
  const objects = openObjects({ runtime, resources });
  const configMapName = environment.ANTREA_CONFIG_MAP_NAME;
  const configMap = configMapName ? { namespace, name: configMapName } : undefined;
  const paths: Paths = {
    ...controllerPaths({ logger, engine, ready, client, featureGates, configMap }),
    ...profiling(profilePaths(runtime)),
    ...admissionPaths({ client, sources, featureGates, namespace }),
    ...(values.enablePrometheusMetrics ? { "/metrics": (exchange) => metrics.serve(exchange) } : {}),
  };

  // who asks, and what they may: as the Kubernetes API says
  let authorities: ClusterAuthorities = { clientCa: "" };
  const ownClientCa = readClientCa(values.clientCAFile, configFile);
  followClusterAuthorities({
    ...source,
    changed: (found) => {
      authorities = ownClientCa === undefined ? found : { ...found, clientCa: ownClientCa };
    },
  });
  const token = createLoopbackToken({ runDir: values.runDir, random, files: platform?.files ?? systemFiles });
  await keepPublished({ runtime, token, signal });
  const authenticators = [
    ...(platform?.authenticators ?? []),
    loopbackAuthenticator(token, localUser),
    clientCertificates({ authorities: () => authorities, clock }),
    delegatedAuthentication({ client, clock }),
  ];
  const authorizer = openWebhooks(delegatedAuthorization({ client, clock }));

  // serving, under a certificate that its clients are told to trust
  let authority = "";
  const publisher = publishAuthority({ ...source, lease, namespace, authority: () => authority });
  const server = createApiServer({
    runtime,
    objects,
    paths,
    authenticators,
    authorizer,
    // Asked of every client, judged by the authenticators: the authorities change while we run.
    tls: {
      ...temporaryCertificate(runtime),
      clientAuthorities: [],
      limits: tlsLimits({ minVersion: values.tlsMinVersion, cipherSuites: values.tlsCipherSuites }),
    },
    gitVersion: version,
    protobuf: controlplaneProtobuf,
    turnFor: (target, giveUp) => {
      if (!isReport(target)) return undefined;
      // Until policies are known what was counted waits anyway, which is no reason to keep others waiting.
      return target.kind === "resource" && target.subresource === "status"
        ? lane.admit(giveUp)
        : ready(giveUp).then(() => lane.admit(giveUp));
    },
    documents: createOpenApi(objects.definitions),
    ready: () => [
      ...(inputs.synced ? [] : ["policies: the Kubernetes API has not been read"]),
      ...(shared?.problem === undefined ? [] : [`certificate: ${shared.problem}`]),
    ],
  });
  const showCertificate = (certificate: ServingCertificate): void => {
    server.renew(certificate);
    authority = certificate.authority;
    publisher.republish();
  };
  const shared = values.selfSignedCert ? followSharedAuthority({ ...source, namespace, changed: showCertificate }) : undefined;
  if (shared === undefined)
    await followProvidedCertificate({ runtime, signal, folder: join(values.runDir, "antrea-controller-tls"), changed: showCertificate });
  const listening = await (platform?.listen ?? listenEverywhere)(server, values.apiPort);
  apiPort = listening.port;
  logger.info("serving", { version, port: apiPort });
  serving?.(apiPort);
  void inputs.whenSynced().then(() => logger.info("policies are computed", describe().networkPolicyControllerInfo));

  await whenAborted(signal);
  await Promise.all([server.close(), lease.release()]);
  await token.withdraw();
  client.close();
}

/** What everybody contains who heard of this cluster. */
const nothingChanged = ({ cluster }: ComputedRevisions): ComputedRevisions => ({
  cluster,
  pods: "",
  namespaces: "",
  networkpolicies: "",
  changed: {},
});

/** The same objects; what a flush gives is counted, with its time. */
function timed(objects: PolicyObjects, clock: Clock, metrics: ControllerMetrics): PolicyObjects {
  function* flushInSteps(): Steps<PolicyChanges> {
    const steps = objects.flushInSteps();
    // What is done in between is not ours.
    for (let spent = 0; ; ) {
      const start = clock.monotonic();
      const { done, value } = steps.next();
      spent += clock.monotonic() - start;
      if (!done) {
        yield;
        continue;
      }
      metrics.onComputed(value, spent);
      return value;
    }
  }
  return { ...objects, flushInSteps, flush: () => finish(flushInSteps()) };
}
