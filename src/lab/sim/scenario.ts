import type { NetworkPolicy } from "#lib/kube/index.ts";
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
  | { readonly do: "delete-policy"; readonly namespace: string; readonly name: string };

/** What goes wrong, for how long. */
export type Fault =
  /** As SIGKILL, and a start after `for`. `of`: a node's agent by the node's name, or `controller`. */
  | { readonly do: "kill"; readonly of: string; readonly for: Duration }
  /** As SIGSTOP and SIGCONT. */
  | { readonly do: "pause"; readonly of: string; readonly for: Duration }
  /** Every connection of the host ends, in the middle of what is being sent. */
  | { readonly do: "cut"; readonly host: string }
  /** Nothing gets from or to the host. */
  | { readonly do: "isolate"; readonly host: string; readonly for: Duration }
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
  /** When faults end and the last event is over; the run ends some time later, when everything must have settled. */
  readonly duration: Duration;
  /** In order of time. */
  readonly events: readonly SimEvent[];
}

const faults: ReadonlySet<string> = new Set([
  ...["kill", "pause", "cut", "isolate", "lose", "slow-api", "restart-api", "fill-disk", "skew", "lose-database", "restart-switch"],
]);

export const isFault = (event: SimEvent): event is SimEvent & Fault => faults.has(event.do);

const users: ReadonlySet<string> = new Set(["create-pod", "delete-pod", "label-pod", "label-namespace", "put-policy", "delete-policy"]);

/** Reads what `antctl lab sim` wrote. Throws {@link InvalidScenario}. */
export function parseScenario(text: string, file: string): Scenario {
  let value: Partial<Scenario> | null;
  try {
    value = JSON.parse(text) as Partial<Scenario> | null;
  } catch (error) {
    throw new InvalidScenario(file, errorMessage(error));
  }
  const { seed, nodes, duration, events } = value ?? {};
  if (![seed, nodes, duration].every((number) => typeof number === "number" && number >= 0 && Number.isFinite(number)))
    throw new InvalidScenario(file, "seed, nodes and duration must be numbers");
  if (!Array.isArray(events)) throw new InvalidScenario(file, "events must be a list");
  for (const [index, event] of events.entries()) {
    const { at, do: what } = (event ?? {}) as { readonly at?: unknown; readonly do?: unknown };
    if (typeof at !== "number" || (!faults.has(String(what)) && !users.has(String(what))))
      throw new InvalidScenario(file, `event ${index}: at must be a number and do one of ${[...users, ...faults].join(", ")}`);
  }
  return { seed, nodes, duration, events: (events as SimEvent[]).toSorted((one, other) => one.at - other.at) } as Scenario;
}
