import type { Kubectl } from "./kubectl.ts";

/** Watches one way with new connections, two hundred a second, and tells when its verdict turned. */
export interface WayWatch {
  /** Milliseconds from `since` (wall time) to the first probe with verdict `open`; undefined when none came within `within` ms. */
  turned(options: { readonly open: boolean; readonly since: number; readonly within: number }): Promise<number | undefined>;
  stop(): Promise<void>;
}

export async function watchWay(
  kubectl: Kubectl,
  way: { readonly namespace: string; readonly pod: string; readonly container: string; readonly target: string },
): Promise<WayWatch> {
  const stopping = new AbortController();
  const seen: { readonly sentAt: number; readonly open: boolean }[] = [];
  let heard = (): void => {};
  let first = (): void => {};
  const started = new Promise<void>((resolve) => {
    first = resolve;
  });
  const done = kubectl.lines(
    [
      "exec",
      "-n",
      way.namespace,
      way.pod,
      "-c",
      way.container,
      "--",
      "/agnhost",
      "probe-loop",
      "--interval=5ms",
      "--timeout=200ms",
      way.target,
    ],
    {
      signal: stopping.signal,
      onLine(line) {
        const [time, verdict] = line.split(" ");
        seen.push({ sentAt: Number(time), open: verdict === "ok" });
        first();
        heard();
      },
    },
  );
  await Promise.race([started, done.then(() => Promise.reject(new Error(`probes of ${way.namespace}/${way.pod} ended at once`)))]);
  return {
    turned({ open, since, within }) {
      return new Promise((resolve) => {
        const finish = (value: number | undefined): void => {
          clearTimeout(timer);
          heard = () => {};
          resolve(value);
        };
        const timer = setTimeout(() => finish(undefined), within);
        heard = () => {
          const probe = seen.find((candidate) => candidate.sentAt >= since && candidate.open === open);
          if (probe) finish(probe.sentAt - since);
        };
        heard();
      });
    },
    async stop() {
      stopping.abort();
      await done;
    },
  };
}
