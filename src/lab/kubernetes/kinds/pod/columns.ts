import { ageOf } from "#lib/apiserver/printing/age.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { PrinterColumn } from "#lib/apiserver/resource.ts";
import type { ContainerStatus } from "#lib/kube/kinds.ts";
import type { FullPod } from "./types.ts";

/** `kubectl get pods` and `-o wide`. */
export const podColumns: readonly PrinterColumn<FullPod>[] = [
  nameColumn,
  { name: "Ready", type: "string", description: "Containers that are ready, of all.", value: readyCell },
  { name: "Status", type: "string", description: "State of the pod in one word.", value: statusOf },
  { name: "Restarts", type: "string", description: "How often containers were restarted, and when last.", value: restartsOf },
  ageColumn,
  {
    name: "IP",
    type: "string",
    priority: 1,
    description: "First address of the pod.",
    value: ({ status }) => status?.podIPs?.[0]?.ip ?? status?.podIP ?? "<none>",
  },
  { name: "Node", type: "string", priority: 1, description: "Node of the pod.", value: ({ spec }) => spec.nodeName || "<none>" },
  {
    name: "Nominated Node",
    type: "string",
    priority: 1,
    description: "Not used in this lab.",
    value: ({ status }) => status?.nominatedNodeName || "<none>",
  },
  {
    name: "Readiness Gates",
    type: "string",
    priority: 1,
    description: "Further conditions for readiness that hold, of all.",
    value: gatesCell,
  },
];

interface State {
  readonly waiting?: { readonly reason?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode?: number; readonly signal?: number; readonly finishedAt?: string };
}

const stateOf = (status: ContainerStatus): State => (status.state ?? {}) as State;

function readyCell({ spec, status }: FullPod): string {
  const ready = (status?.containerStatuses ?? []).filter(
    (container) => container.ready === true && stateOf(container).running !== undefined,
  ).length;
  return `${ready}/${spec.containers.length}`;
}

/** The word under STATUS: what the furthest container waits for or ended with, rather than the phase, where there is something to tell. */
export function statusOf({ metadata, spec, status }: FullPod): string {
  const fallback = status?.reason || status?.phase || "Unknown";
  const initializing = initReason(spec.initContainers?.length ?? 0, status?.initContainerStatuses ?? []);
  const reason = initializing ?? containersReason(status?.containerStatuses ?? [], fallback, isReady(status));
  if (metadata.deletionTimestamp === undefined) return reason;
  return status?.reason === "NodeLost" ? "Unknown" : "Terminating";
}

const isReady = (status: FullPod["status"]): boolean =>
  (status?.conditions ?? []).some(({ type, status: value }) => type === "Ready" && value === "True");

function ended({ reason, exitCode, signal }: NonNullable<State["terminated"]>): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode ?? 0}`;
}

function initReason(count: number, statuses: readonly ContainerStatus[]): string | undefined {
  for (const [index, container] of statuses.entries()) {
    const { terminated, waiting } = stateOf(container);
    if (terminated?.exitCode === 0) continue;
    if (container.started === true) continue;
    if (terminated) return `Init:${ended(terminated)}`;
    if (waiting?.reason && waiting.reason !== "PodInitializing") return `Init:${waiting.reason}`;
    return `Init:${index}/${count}`;
  }
  return undefined;
}

function containersReason(statuses: readonly ContainerStatus[], fallback: string, ready: boolean): string {
  let reason = fallback;
  let running = false;
  for (const container of statuses.toReversed()) {
    const state = stateOf(container);
    if (state.waiting?.reason) reason = state.waiting.reason;
    else if (state.terminated) reason = ended(state.terminated);
    else if (container.ready === true && state.running) running = true;
  }
  if (reason !== "Completed" || !running) return reason;
  return ready ? "Running" : "NotReady";
}

function restartsOf({ status }: FullPod, now: number): string {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const count = all.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
  const last = all
    .map(({ lastState }) => (lastState as State | undefined)?.terminated?.finishedAt ?? "")
    .sort()
    .at(-1);
  return count === 0 || !last ? String(count) : `${count} (${ageOf(last, now)} ago)`;
}

function gatesCell({ spec, status }: FullPod): string {
  const gates = spec.readinessGates ?? [];
  if (gates.length === 0) return "<none>";
  const held = gates.filter(({ conditionType }) =>
    status?.conditions?.some(({ type, status: value }) => type === conditionType && value === "True"),
  );
  return `${held.length}/${gates.length}`;
}
