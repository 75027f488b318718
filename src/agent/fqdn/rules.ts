import { createFqdnCache, type FqdnFigures, type FqdnPatch, type NameRow } from "#core/fqdn/index.ts";
import { compileDnsReplies } from "#core/pipeline/dns/index.ts";
import type { LocalPort, Pipeline } from "#core/pipeline/index.ts";
import { registers } from "#core/pipeline/registers.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { OpenFlowConnection, PacketIn } from "#lib/openflow/connection.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { type Duration, type Files, hours, type Runtime } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import { dispatchPacketIns, type PacketInFigures, type PacketInSwitch } from "../packet-in/index.ts";
import type { PolicyTarget } from "../policies/assembly.ts";
import { createForceGate } from "./force-gate.ts";
import { type AnswerFigures, createHeldAnswers } from "./held-answers.ts";
import { keepDnsHold, type WhenAgentIsDown } from "./keep-hold.ts";
import { createPolicySets, type PolicySets } from "./policy-sets.ts";
import { refreshNames } from "./refresh.ts";
import type { ListenerPort } from "./listener-port.ts";
import { createNameResolver, type DnsServer } from "./resolver.ts";
import { type NameTrouble, namesOfServices } from "./name-troubles.ts";
import { createUsedAddresses } from "./used-addresses.ts";
import { findFqdnSnapshot, keepFqdnFile } from "./snapshot-file.ts";

/** Of one pod, and of all: answers that wait for their turn. Two seconds of what one pod may sensibly ask, and of the category's meter. */
const limits = { perSender: 2_048, total: 16_384 } as const;
/** After this long a name of a rule that nobody ever saw is told: it may be misspelt. */
const neverSeenAfter = hours(1);
const unseen = "nobody was told an address of it for an hour or longer: it may be misspelt";
/** Names without effect that are told in the log, each once. */
const toldAtMost = 1_000;

/** What the flow side of the agent lends to rules with names. */
export interface FqdnWiring {
  /** The compiler. */
  readonly target: PolicyTarget;
  /** Something was handed to the target. */
  readonly changed: () => void;
  /** Makes `flows` those of the owner. */
  readonly setFlows: (owner: string, flows: readonly Flow[]) => void;
  /** Resolves when all that was handed on is in force in the switch. */
  readonly whenInForce: () => Promise<void>;
}

export interface FqdnRulesOptions {
  readonly runtime: Runtime;
  readonly pipeline: Pipeline;
  readonly connect: (signal: AbortSignal) => Promise<OpenFlowConnection>;
  readonly ports: ReadTable<LocalPort>;
  /** Servers that the agent asks itself, the preferred one first. */
  readonly servers: () => readonly DnsServer[];
  /** Whether answers of a server to pods are believed. Default all. */
  readonly trusts?: (server: IpAddress) => boolean;
  /** Tells the addresses that live connections lead to, which are kept beyond their time. Default none. */
  readonly connections?: (() => Promise<Iterable<IpAddress>>) | undefined;
  /** Which Service has an address that the switch translates. Default none. */
  readonly serviceAt?: ((address: IpAddress) => string | undefined) | undefined;
  /** `fqdnCacheMinTTL`. */
  readonly minTtl: Duration;
  readonly whenAgentIsDown: WhenAgentIsDown;
  /** How long an answer may wait for the rules of its addresses. Default 2 s. */
  readonly holdFor?: Duration;
  /** Seconds without word of the agent after which answers pass, where they do without one. Default 3. */
  readonly lapseSeconds?: number;
  /** Tells the switch that the agent lives. */
  readonly listener?: ListenerPort | undefined;
  /** Whether the category's meter is there (`packetInRate`). */
  readonly metered: boolean;
  readonly snapshotFile: string;
  readonly files?: Files | undefined;
  readonly signal: AbortSignal;
}

/** Rules with names: from answers of DNS to addresses in the switch. */
export interface FqdnRules {
  /** Stands between the controller's objects and the compiler; to be called once. */
  attach(wiring: FqdnWiring): PolicyTarget;
  /** All policies of now were handed on: what an earlier run knew of other names is dropped. */
  complete(): void;
  /** What is known of names that `domain` (a name or pattern) matches; of all without. */
  rows(domain?: string): readonly NameRow[];
  figures(): FqdnFigures & AnswerFigures & { readonly asked: number; readonly failed: number; readonly packets: PacketInFigures };
  /** Names of rules that were not seen for an hour or longer. */
  neverSeen(): readonly string[];
  /** Names and patterns of rules that do nothing, and why: those of a Service's address, and those never seen. And DNS servers that do not answer the agent. */
  troubles(): readonly NameTrouble[];
  /** Lets answers pass, as they do without an agent, and writes what is known to disk. */
  close(): Promise<void>;
}

export async function createFqdnRules(options: FqdnRulesOptions): Promise<FqdnRules> {
  const {
    runtime,
    pipeline,
    connect,
    ports,
    trusts,
    connections,
    serviceAt = () => undefined,
    minTtl,
    whenAgentIsDown,
    listener,
    metered,
    snapshotFile,
    files,
    signal,
  } = options;
  const { clock } = runtime;
  const cache = createFqdnCache({ minTtl, known: await findFqdnSnapshot(snapshotFile, runtime, files) });
  const file = keepFqdnFile({ runtime, file: snapshotFile, files, snapshot: () => cache.snapshot(), signal });
  const used = createUsedAddresses({ runtime, connections });
  const hold = keepDnsHold({ runtime, pipeline, connect, whenAgentIsDown, listener, metered, lapseSeconds: options.lapseSeconds });
  const portOf = new Map<number, LocalPort>();
  /** Interfaces whose answers are held. */
  const held = new Set<string>();
  let wiring: FqdnWiring | undefined;
  let sets: PolicySets | undefined;
  let denies = 0;
  let due = false;

  const told = new Set<string>();
  const tellTroubles = (patches: readonly FqdnPatch[]): void => {
    if (!patches.some(({ added }) => added.some((address) => serviceAt(address) !== undefined))) return;
    for (const { name, reason } of namesOfServices(cache.rows(), serviceAt)) {
      if (told.has(name) || told.size >= toldAtMost) continue;
      told.add(name);
      runtime.logger.warn("a name of a rule has no effect", { component: "fqdn", name, reason });
    }
  };
  const apply = (patches: readonly FqdnPatch[]): void => {
    tellTroubles(patches);
    file.touch();
    if (patches.length === 0) return;
    sets?.apply(patches);
    wiring?.changed();
  };
  const gate = createForceGate({ whenInForce: () => wiring?.whenInForce() ?? Promise.resolve(), revision: () => cache.revision });
  const answers = createHeldAnswers({
    runtime,
    cache,
    apply,
    gate,
    podOf: (ofport) => portOf.get(ofport),
    denies: () => denies > 0,
    ...(trusts === undefined ? {} : { trusts }),
    inUse: used.has,
    holdFor: options.holdFor,
  });
  const resolver = createNameResolver({ runtime, servers: options.servers });
  const refresh = refreshNames({
    runtime,
    cache,
    resolver,
    apply,
    used,
    signal,
  });
  const packets = dispatchPacketIns({
    runtime,
    category: "dns",
    connect: (giveUp): Promise<PacketInSwitch> => connect(giveUp),
    limits,
    allowance: { kind: "unlimited" },
    // Whose answer it is, not whose server's.
    senderOf: receiverOf,
    handle: answers.handle,
    onConnected: hold.listens,
    signal,
  });

  /** Pods under rules with names have flows of their own, by interface. */
  const updateSubjects = (): void => {
    due = false;
    const subjects = sets?.subjects() ?? new Set<string>();
    const wanted = new Map([...ports.rows()].filter((port) => subjects.has(podKey(port))).map((port) => [port.interfaceName, port]));
    for (const name of held) if (!wanted.has(name)) wiring?.setFlows(ownerOf(name), []);
    for (const [name, port] of wanted) wiring?.setFlows(ownerOf(name), compileDnsReplies(pipeline, port));
    held.clear();
    for (const name of wanted.keys()) held.add(name);
    hold.set([...wanted.values()].map(({ ofport }) => ofport).sort((one, other) => one - other));
  };
  const updateSoon = (): void => {
    if (due || sets === undefined) return;
    due = true;
    runtime.clock.soon(updateSubjects);
  };
  ports.subscribe(
    ({ before, after }) => {
      if (before !== undefined) portOf.delete(before.ofport);
      if (after !== undefined) portOf.set(after.ofport, after);
      updateSoon();
    },
    { replay: true },
  );

  const neverSeen = (): string[] =>
    cache.neverSeen().flatMap(({ pattern, since }) => (clock.wall() - since >= neverSeenAfter ? [pattern] : []));

  /** Without an answer names are learned from pods alone, and expire between their questions. */
  const silentServers = (): NameTrouble[] =>
    cache.figures().names === 0
      ? []
      : resolver.silent().map(({ server, reason }) => ({
          name: `DNS server ${server.address} port ${server.port}`,
          reason: `does not answer the agent, which asks it for the names of rules: ${reason}`,
        }));

  return {
    attach(lent) {
      wiring = lent;
      const deniesOf = new Map<string, boolean>();
      sets = createPolicySets({
        target: lent.target,
        setSet(id, set) {
          deniesOf.set(id, set.denies);
          denies = [...deniesOf.values()].filter(Boolean).length;
          const patches = cache.setSet(id, set, clock.wall());
          refresh.poke();
          return patches;
        },
        removeSet(id) {
          deniesOf.delete(id);
          denies = [...deniesOf.values()].filter(Boolean).length;
          cache.removeSet(id, clock.wall());
        },
        subjectsChanged: updateSoon,
      });
      return sets.target;
    },
    complete() {
      cache.complete();
      updateSubjects();
    },
    rows: (domain) => cache.rows(domain),
    figures: () => ({ ...cache.figures(), ...answers.figures(), ...refresh.figures(), packets: packets.figures() }),
    troubles: () => [
      ...silentServers(),
      ...namesOfServices(cache.rows(), serviceAt),
      ...neverSeen().map((name) => ({ name, reason: unseen })),
    ],
    neverSeen,
    async close() {
      await hold.stop();
      await file.flush();
    },
  };
}

const ownerOf = (interfaceName: string): string => `dns/${interfaceName}`;
const podKey = ({ podNamespace, podName }: LocalPort): string => `${podNamespace}/${podName}`;

function receiverOf({ metadata }: PacketIn): number {
  const found = metadata[registers.outputPort.field];
  return Number(typeof found === "bigint" ? found : (found?.value ?? 0n));
}
