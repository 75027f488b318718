import type { CriClient } from "#lib/cri/index.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeletContainer, KubeletProbe } from "./pod.ts";
import { type ProbeResult, type ProbeTarget, tryProbe } from "./probe-attempt.ts";

const kinds = ["startup", "readiness", "liveness"] as const;
type ProbeKind = (typeof kinds)[number];

/** What the probes of one running container say. */
export interface ProbeVerdict {
  /** The startup probe has succeeded, or there is none. */
  readonly started: boolean;
  readonly ready: boolean;
  /** Why it must be restarted: its liveness or startup probe failed often enough. */
  readonly unhealthy?: string;
}

export interface ProbedContainer extends ProbeTarget {
  readonly uid: string;
  /** When it started, in milliseconds since the epoch. */
  readonly startedAt: number;
  /** What the API says of this very container already: a restarted kubelet does not make a ready pod unready. */
  readonly wasReady: boolean;
  readonly wasStarted: boolean;
}

/** Runs the probes of running containers. */
export interface Probes {
  /** Probes exactly these containers of the pod from now on. */
  watch(uid: string, containers: readonly ProbedContainer[]): void;
  verdict(container: KubeletContainer, containerId: string): ProbeVerdict;
}

interface Watched {
  readonly uid: string;
  readonly stop: AbortController;
  started: boolean;
  ready: boolean;
  unhealthy: string | undefined;
}

export interface ProbesOptions {
  readonly runtime: Runtime;
  readonly cri: CriClient;
  /** Hears of every verdict that changed. */
  readonly changed: (uid: string) => void;
  /** Hears of every failed try. */
  readonly failed: (container: ProbedContainer, kind: string, message: string) => void;
}

export function createProbes({ runtime, cri, changed, failed }: ProbesOptions): Probes {
  const watched = new Map<string, Watched>();

  const run = async (container: ProbedContainer, state: Watched, kind: ProbeKind, probe: KubeletProbe): Promise<void> => {
    const { signal } = state.stop;
    const period = seconds(probe.periodSeconds ?? 10);
    const wanted = { success: probe.successThreshold ?? 1, failure: probe.failureThreshold ?? 3 };
    const dueAt = container.startedAt + seconds(probe.initialDelaySeconds ?? 0);
    let row: { readonly outcome: "success" | "failure"; readonly count: number } | undefined;
    await sleep(runtime.clock, Math.max(0, dueAt - runtime.clock.wall()), signal);
    for (;;) {
      // readiness and liveness wait for the startup probe, the startup probe ends with its first success
      if (kind === "startup" ? state.started : !state.started) {
        if (kind === "startup") return;
        await sleep(runtime.clock, Math.min(period, seconds(1)), signal);
        continue;
      }
      const { outcome, message }: ProbeResult = await tryProbe(cri, probe, container);
      if (signal.aborted) return;
      if (outcome === "failure") failed(container, kind, message);
      if (outcome !== undefined) {
        row = { outcome, count: row?.outcome === outcome ? row.count + 1 : 1 };
        if (row.count >= wanted[outcome]) apply(container, state, kind, outcome);
      }
      await sleep(runtime.clock, period, signal);
    }
  };
  const apply = (container: ProbedContainer, state: Watched, kind: ProbeKind, outcome: "success" | "failure"): void => {
    const before = JSON.stringify([state.started, state.ready, state.unhealthy]);
    const good = outcome === "success";
    if (kind === "readiness") state.ready = good;
    else if (!good) state.unhealthy = `Container ${container.container.name} failed ${kind} probe, will be restarted`;
    else if (kind === "startup") {
      state.started = true;
      state.ready = container.container.readinessProbe === undefined;
    }
    if (JSON.stringify([state.started, state.ready, state.unhealthy]) !== before) changed(container.uid);
  };
  const begin = (container: ProbedContainer): void => {
    const { startupProbe, readinessProbe, livenessProbe } = container.container;
    const started = startupProbe === undefined || container.wasStarted;
    const state: Watched = {
      uid: container.uid,
      stop: new AbortController(),
      started,
      ready: started && (readinessProbe === undefined || container.wasReady),
      unhealthy: undefined,
    };
    watched.set(container.containerId, state);
    const probes: Readonly<Record<ProbeKind, KubeletProbe | undefined>> = {
      startup: startupProbe,
      readiness: readinessProbe,
      liveness: livenessProbe,
    };
    for (const kind of kinds) {
      const probe = probes[kind];
      if (probe !== undefined) void run(container, state, kind, probe).catch(() => undefined);
    }
  };
  return {
    watch(uid, containers) {
      const wanted = new Set(containers.map(({ containerId }) => containerId));
      for (const [id, state] of watched)
        if (state.uid === uid && !wanted.has(id)) {
          state.stop.abort();
          watched.delete(id);
        }
      for (const container of containers) if (!watched.has(container.containerId)) begin(container);
    },
    verdict(container, containerId) {
      const state = watched.get(containerId);
      if (state === undefined) return { started: container.startupProbe === undefined, ready: false };
      const { started, ready, unhealthy } = state;
      return { started, ready, ...(unhealthy === undefined ? {} : { unhealthy }) };
    },
  };
}
