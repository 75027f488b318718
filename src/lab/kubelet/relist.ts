import type { CriClient } from "#lib/cri/index.ts";
import { watchContainerEvents } from "#lib/cri/index.ts";
import { type Duration, milliseconds, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { ownerOf } from "./observe.ts";

/** How often the runtime is asked although its events say that nothing happened. */
const quietInterval = seconds(10);
/** Events of one moment (ten pods start) lead to one listing. */
const settle = milliseconds(5);

export interface RelistOptions {
  readonly runtime: Runtime;
  readonly cri: CriClient;
  readonly socket: string;
  /** Hears the uid of every pod of which a sandbox or container appeared, changed its state or went. */
  readonly changed: (uid: string) => void;
  readonly signal: AbortSignal;
}

/** Follows the states of sandboxes and containers: a listing after each event of the runtime, and a slow one besides. */
export function followRuntime({ runtime, cri, socket, changed, signal }: RelistOptions): void {
  let before = new Map<string, { readonly uid: string; readonly state: string }>();
  let timer = runtime.clock.after(0, () => void relist());
  let running = false;
  let again = false;

  const list = async (): Promise<void> => {
    const [{ items }, { containers }] = await Promise.all([cri.listPodSandbox({}), cri.listContainers({})]);
    const now = new Map([...items, ...containers].map((item) => [item.id, { uid: ownerOf(item)?.uid ?? "", state: item.state }]));
    const touched = new Set<string>();
    for (const [id, { uid, state }] of now) if (before.get(id)?.state !== state) touched.add(uid);
    for (const [id, { uid }] of before) if (!now.has(id)) touched.add(uid);
    before = now;
    touched.delete("");
    for (const uid of touched) changed(uid);
  };
  const relist = async (): Promise<void> => {
    if (signal.aborted) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await list();
    } catch (error) {
      runtime.logger.debug("the container runtime did not list", { error: errorMessage(error) });
    }
    running = false;
    next(again ? settle : quietInterval);
    again = false;
  };
  const next = (delay: Duration): void => {
    timer.cancel();
    if (!signal.aborted) timer = runtime.clock.after(delay, () => void relist());
  };
  const events = watchContainerEvents(runtime, {
    socket,
    changed: () => {
      if (running) again = true;
      else next(settle);
    },
  });
  signal.addEventListener("abort", () => {
    timer.cancel();
    events.stop();
  });
}
