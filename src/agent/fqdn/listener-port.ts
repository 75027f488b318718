import { errorMessage, type Runtime } from "#lib/runtime/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import type { OvsTables } from "../ovs/bridge.ts";

/** The device's name: up while this process lives and reads answers of DNS. */
export const listenerName = "antrea-dns0";

/** A port of the switch whose carrier goes the moment that this process dies, however it does: so that answers of DNS pass without it. */
export interface ListenerPort {
  /** Its number while the switch sees it up; undefined when nothing can be built on it. */
  ofport(): number | undefined;
  /** Says whether answers are read. */
  show(listening: boolean): Promise<void>;
}

/** Undefined where there are no such devices (no `/dev/net/tun`), or another agent has it: answers then pass when their flow has lapsed. */
export async function createListenerPort(options: {
  readonly runtime: Pick<Runtime, "logger">;
  readonly home: Pick<NetworkNamespace, "holdTap" | "setLink">;
  readonly tables: Pick<OvsTables, "Interface">;
}): Promise<ListenerPort | undefined> {
  const { runtime, home, tables } = options;
  try {
    await home.holdTap(listenerName);
  } catch (error) {
    runtime.logger.warn("should the agent be killed, answers of DNS under rules with names are lost for some seconds", {
      device: listenerName,
      error: errorMessage(error),
    });
    return undefined;
  }
  return {
    ofport() {
      const [row] = tables.Interface.by("name", listenerName);
      const number = row?.ofport ?? -1;
      return row?.link_state === "up" && number > 0 ? number : undefined;
    },
    show: (listening) => home.setLink({ name: listenerName }, { up: listening }),
  };
}
