import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import type { NetworkPolicy, Service } from "#lib/kube/index.ts";
import { type Duration, errorMessage } from "#lib/runtime/index.ts";
import { InvalidScenario } from "./errors.ts";

type Labels = Readonly<Record<string, string>>;

/** What users do, as one write to the API. */
export type UserEvent =
  | { readonly do: "create-pod"; readonly namespace: string; readonly name: string; readonly node: string; readonly labels: Labels }
  | { readonly do: "delete-pod"; readonly namespace: string; readonly name: string }
  | { readonly do: "label-pod"; readonly namespace: string; readonly name: string; readonly labels: Labels }
  | { readonly do: "label-namespace"; readonly namespace: string; readonly labels: Labels }
  | { readonly do: "put-policy"; readonly namespace: string; readonly name: string; readonly spec: NonNullable<NetworkPolicy["spec"]> }
  | { readonly do: "delete-policy"; readonly namespace: string; readonly name: string }
  /** A ClusterNetworkPolicy of crd.antrea.io. */
  | { readonly do: "put-cluster-policy"; readonly name: string; readonly spec: NonNullable<AntreaPolicy["spec"]> }
  | { readonly do: "delete-cluster-policy"; readonly name: string }
  /** A NetworkPolicy of crd.antrea.io. */
  | {
      readonly do: "put-antrea-policy";
      readonly namespace: string;
      readonly name: string;
      readonly spec: NonNullable<AntreaPolicy["spec"]>;
    }
  | { readonly do: "delete-antrea-policy"; readonly namespace: string; readonly name: string }
  /** A ClusterNetworkPolicy of policy.networking.k8s.io. */
  | { readonly do: "put-upstream-cluster-policy"; readonly name: string; readonly spec: NonNullable<ClusterNetworkPolicy["spec"]> }
  | { readonly do: "delete-upstream-cluster-policy"; readonly name: string }
  | { readonly do: "put-tier"; readonly name: string; readonly spec: NonNullable<Tier["spec"]> }
  | { readonly do: "put-cluster-group"; readonly name: string; readonly spec: NonNullable<AntreaGroup["spec"]> }
  | { readonly do: "delete-cluster-group"; readonly name: string }
  | { readonly do: "put-group"; readonly namespace: string; readonly name: string; readonly spec: NonNullable<AntreaGroup["spec"]> }
  | { readonly do: "delete-group"; readonly namespace: string; readonly name: string }
  | { readonly do: "put-service"; readonly namespace: string; readonly name: string; readonly spec: NonNullable<Service["spec"]> }
  | { readonly do: "delete-service"; readonly namespace: string; readonly name: string };

/** What goes wrong, for how long. */
export type Fault =
  /** As SIGKILL, and a start after `for`. `of`: a node's agent by the node's name, or `controller`, `controller-2`, …. */
  | { readonly do: "kill"; readonly of: string; readonly for: Duration }
  /** As SIGSTOP and SIGCONT. */
  | { readonly do: "pause"; readonly of: string; readonly for: Duration }
  /** Every connection of the host ends, in the middle of what is being sent. */
  | { readonly do: "cut"; readonly host: string }
  /** Nothing gets from or to the host. */
  | { readonly do: "isolate"; readonly host: string; readonly for: Duration }
  /** A controller hears no more of the API server, and its agents hear it well: it falls behind. */
  | { readonly do: "fall-behind"; readonly of: string; readonly for: Duration }
  /** Of a thousand segments so many are lost. */
  | { readonly do: "lose"; readonly segments: number; readonly for: Duration }
  /** The API server answers late, and of a thousand requests it refuses so many. */
  | { readonly do: "slow-api"; readonly delay: Duration; readonly failing: number; readonly for: Duration }
  /** It starts anew: its watch caches are empty, so that watches from earlier versions are expired. */
  | { readonly do: "restart-api" }
  | { readonly do: "fill-disk"; readonly node: string; readonly for: Duration }
  /** The node's wall clocks are off by so much. */
  | { readonly do: "skew"; readonly node: string; readonly by: Duration; readonly for: Duration }
  | { readonly do: "lose-database"; readonly node: string; readonly for: Duration }
  | { readonly do: "restart-switch"; readonly node: string };

/** Something that happens at a time of the simulation. */
export type SimEvent = { readonly at: Duration } & (UserEvent | Fault);

/** All that a run is made of beside the programs: equal scenarios run equally. */
export interface Scenario {
  readonly seed: number;
  readonly nodes: number;
  /** How many controllers; one when absent. */
  readonly controllers?: number;
  /** When faults end and the last event is over; the run ends some time later, when everything must have settled. */
  readonly duration: Duration;
  /** In order of time. */
  readonly events: readonly SimEvent[];
}

type Fields = Readonly<Record<string, "string" | "number" | "object">>;

/** What an event of each kind must have beside its time. */
const userFields: Readonly<Record<UserEvent["do"], Fields>> = {
  "create-pod": { namespace: "string", name: "string", node: "string", labels: "object" },
  "delete-pod": { namespace: "string", name: "string" },
  "label-pod": { namespace: "string", name: "string", labels: "object" },
  "label-namespace": { namespace: "string", labels: "object" },
  "put-policy": { namespace: "string", name: "string", spec: "object" },
  "delete-policy": { namespace: "string", name: "string" },
  "put-cluster-policy": { name: "string", spec: "object" },
  "delete-cluster-policy": { name: "string" },
  "put-antrea-policy": { namespace: "string", name: "string", spec: "object" },
  "delete-antrea-policy": { namespace: "string", name: "string" },
  "put-upstream-cluster-policy": { name: "string", spec: "object" },
  "delete-upstream-cluster-policy": { name: "string" },
  "put-tier": { name: "string", spec: "object" },
  "put-cluster-group": { name: "string", spec: "object" },
  "delete-cluster-group": { name: "string" },
  "put-group": { namespace: "string", name: "string", spec: "object" },
  "delete-group": { namespace: "string", name: "string" },
  "put-service": { namespace: "string", name: "string", spec: "object" },
  "delete-service": { namespace: "string", name: "string" },
};
const faultFields: Readonly<Record<Fault["do"], Fields>> = {
  kill: { of: "string", for: "number" },
  pause: { of: "string", for: "number" },
  cut: { host: "string" },
  isolate: { host: "string", for: "number" },
  "fall-behind": { of: "string", for: "number" },
  lose: { segments: "number", for: "number" },
  "slow-api": { delay: "number", failing: "number", for: "number" },
  "restart-api": {},
  "fill-disk": { node: "string", for: "number" },
  skew: { node: "string", by: "number", for: "number" },
  "lose-database": { node: "string", for: "number" },
  "restart-switch": { node: "string" },
};
const fieldsOf = new Map<unknown, Fields>(Object.entries({ ...userFields, ...faultFields }));

export const isFault = (event: SimEvent): event is SimEvent & Fault => Object.hasOwn(faultFields, event.do);

/** Reads what `antctl lab sim` wrote. Throws {@link InvalidScenario}. */
export function parseScenario(text: string, file: string): Scenario {
  let value: Partial<Scenario> | null;
  try {
    value = JSON.parse(text) as Partial<Scenario> | null;
  } catch (error) {
    throw new InvalidScenario(file, errorMessage(error));
  }
  const { seed, nodes, controllers = 1, duration, events } = value ?? {};
  if (![seed, nodes, controllers, duration].every((number) => typeof number === "number" && number >= 0 && Number.isFinite(number)))
    throw new InvalidScenario(file, "seed, nodes, controllers and duration must be numbers");
  if (!Array.isArray(events)) throw new InvalidScenario(file, "events must be a list");
  for (const [index, event] of events.entries()) {
    const given = (event ?? {}) as Readonly<Record<string, unknown>>;
    const fields = fieldsOf.get(given.do);
    if (fields === undefined) throw new InvalidScenario(file, `event ${index}: do must be one of ${[...fieldsOf.keys()].join(", ")}`);
    for (const [field, type] of Object.entries({ at: "number", ...fields }))
      if (typeof given[field] !== type || given[field] === null)
        throw new InvalidScenario(
          file,
          `event ${index} (${String(given.do)}): ${field} must be ${type === "object" ? "an object" : `a ${type}`}`,
        );
  }
  const replicas = controllers === 1 ? {} : { controllers };
  return { seed, nodes, ...replicas, duration, events: (events as SimEvent[]).toSorted((one, other) => one.at - other.at) } as Scenario;
}
