import type { CriClient } from "#lib/cri/index.ts";
import { watchContainerEvents } from "#lib/cri/index.ts";
import { type Duration, milliseconds, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { ownerOf } from "./observe.ts";

/** How often the runtime is asked although its events say that nothing happened. */
const quietInterval = seconds(10);
/**
 * When it is asked after an event. The runtime's CRI part hears of an exit by the same events as we do and may be a little later, so one
 * look is not enough; and events of one moment (ten pods start) lead to one look.
 */
const looksAfterEvent = [milliseconds(5), milliseconds(25), milliseconds(100), milliseconds(400)];

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
  /** Looks that are still to come since the last event. */
  let looks: readonly Duration[] = [];

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
    if (signal.aborted || running) return;
    running = true;
    try {
      await list();
    } catch (error) {
      runtime.logger.debug("the container runtime did not list", { error: errorMessage(error) });
    }
    running = false;
    next();
  };
  const next = (): void => {
    timer.cancel();
    const [delay = quietInterval, ...later] = looks;
    looks = later;
    if (!signal.aborted) timer = runtime.clock.after(delay, () => void relist());
  };
  const events = watchContainerEvents(runtime, {
    socket,
    changed: () => {
      looks = looksAfterEvent;
      // a listing under way goes on with these when it is done
      if (!running) next();
    },
  });
  signal.addEventListener("abort", () => {
    timer.cancel();
    events.stop();
  });
}
