import type { Lab } from "../lab.ts";
import { execute } from "./execute.ts";
import type { ScriptPlace } from "./place.ts";

/** What is read of a pod and an event to say what is wrong with them. */
export interface TroubledPod {
  readonly metadata: { readonly namespace?: string; readonly name?: string };
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly containerStatuses?: readonly {
      readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
    }[];
  };
}
export interface WarningEvent {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly involvedObject?: { readonly namespace?: string; readonly name?: string };
}

/** Of many that are not ready the first say enough. */
const podsTold = 4;
/** Characters of somebody's message: how it begins, and how it ends, as the cause stands last where one program tells what another said. */
const told = { first: 60, last: 120 } as const;
const askSeconds = 10;

/** What a person would look at first when a step of a script does not hold: pods that are not ready, with the reason they give, and processes of the lab that do not run. */
export async function troubleAt(place: ScriptPlace): Promise<readonly string[]> {
  const [pods, events] = await Promise.all([listed<TroubledPod>(place, "pods"), listed<WarningEvent>(place, "events")]);
  const asked = pods === undefined ? ["the API does not tell its pods"] : troubledPods(pods, events ?? []);
  return [...asked, ...(place.lab === undefined ? [] : troubledProcesses(place.lab.status().processes))];
}

async function listed<Kind>({ kubeconfig }: ScriptPlace, plural: string): Promise<readonly Kind[] | undefined> {
  const words = ["get", plural, "--all-namespaces", "--output=json", `--request-timeout=${askSeconds}s`];
  const { ok, stdout } = await execute("kubectl", words, { cwd: "/", environment: { KUBECONFIG: kubeconfig } });
  if (!ok) return undefined;
  try {
    return (JSON.parse(stdout) as { readonly items?: readonly Kind[] }).items ?? [];
  } catch {
    return undefined;
  }
}

export function troubledPods(pods: readonly TroubledPod[], events: readonly WarningEvent[]): readonly string[] {
  const isReady = ({ status }: TroubledPod): boolean =>
    status?.phase === "Succeeded" || status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true;
  const troubled = pods.filter((pod) => !isReady(pod));
  const lines = troubled.slice(0, podsTold).map((pod) => {
    const { metadata, spec, status } = pod;
    const isOf = ({ type, involvedObject }: WarningEvent): boolean =>
      type === "Warning" && involvedObject?.namespace === metadata.namespace && involvedObject?.name === metadata.name;
    const warning = events.findLast(isOf);
    const unscheduled = status?.conditions?.find(({ type, status: value }) => type === "PodScheduled" && value === "False");
    const waiting = status?.containerStatuses?.flatMap(({ state }) => state?.waiting ?? [])[0];
    const reasons = [
      unscheduled?.message,
      waiting === undefined ? undefined : [waiting.reason, waiting.message].filter(Boolean).join(" "),
      warning === undefined ? undefined : `${warning.reason}: ${warning.message}`,
    ].flatMap((reason) => (reason ? [shortened(reason)] : []));
    return `${metadata.namespace}/${metadata.name} ${status?.phase ?? "?"} on ${spec?.nodeName ?? "no node"} (${reasons.join("; ") || "without a reason"})`;
  });
  const more = troubled.length - lines.length;
  return [...lines, ...(more > 0 ? [`${more} more pods are not ready`] : [])];
}

const shortened = (text: string): string =>
  text.length <= told.first + told.last ? text : `${text.slice(0, told.first)} … ${text.slice(-told.last)}`;

type ToldProcess = ReturnType<Lab["status"]>["processes"][number];

export function troubledProcesses(processes: readonly ToldProcess[]): readonly string[] {
  return processes
    .filter(({ state, restarts }) => state !== "running" || restarts > 0)
    .map(({ name, state, restarts }) => `${name} ${state}${restarts > 0 ? `, restarted ${restarts} times` : ""}`);
}
