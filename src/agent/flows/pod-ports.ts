import type { FlowLedger } from "#core/pipeline/flow-ledger.ts";
import { compileLocalPort, type LocalPort, type Pipeline } from "#core/pipeline/index.ts";
import type { PolicyCompiler } from "#core/pipeline/policy/index.ts";
import type { ReadTable } from "#lib/table/index.ts";

/** Ports of pods: their own flows, and which of them policies open. One that is not open is closed to new connections. */
export interface PodPorts {
  /** Open, whether it has its row already or gets it later. */
  open(interfaceName: string): void;
  close(interfaceName: string): void;
  /** Those that are open and have a row. */
  opened(): readonly string[];
  /** Resolves when the port has its row: one that Open vSwitch numbers on its own has it later. Rejects with the signal's reason. */
  whenPresent(interfaceName: string, giveUp?: AbortSignal): Promise<void>;
}

export const portOwner = (interfaceName: string): string => `port/${interfaceName}`;

export function keepPodPorts(options: {
  readonly pipeline: Pipeline;
  readonly ledger: FlowLedger;
  readonly compiler: Pick<PolicyCompiler, "setPort" | "removePort">;
  readonly ports: ReadTable<LocalPort>;
  /** Policies are to be compiled. */
  readonly changed: () => void;
}): PodPorts {
  const { pipeline, ledger, compiler, ports, changed } = options;
  const admitted = new Set<string>();
  /** Open ports that went, by name: the container's port that somebody else took away is open again when it is put back. */
  const takenAway = new Map<string, string>();
  const remember = (name: string, containerId = ""): void => {
    takenAway.delete(name);
    takenAway.set(name, containerId);
    const [oldest] = takenAway.keys();
    if (takenAway.size > takenAwayAtMost && oldest !== undefined) takenAway.delete(oldest);
  };
  const open = (name: string): void => {
    admitted.add(name);
    const port = ports.get(name);
    if (port === undefined) return;
    compiler.setPort(port);
    changed();
  };
  ports.subscribe(
    ({ key, before, after }) => {
      if (before !== undefined && after !== undefined && samePort(before, after)) return;
      ledger.set(portOwner(key), after === undefined ? [] : compileLocalPort(pipeline, after));
      if (after === undefined) {
        if (admitted.delete(key)) remember(key, before?.containerId);
        compiler.removePort(key);
        changed();
      } else if (admitted.has(key) || takenAway.get(key) === after.containerId) open(key);
    },
    { replay: true },
  );
  return {
    open,
    close(name) {
      takenAway.delete(name);
      admitted.delete(name);
      compiler.removePort(name);
      changed();
    },
    opened: () => [...admitted],
    whenPresent: (name, giveUp) =>
      new Promise((resolve, reject) => {
        if (ports.get(name) !== undefined) return resolve();
        if (giveUp?.aborted) return reject(giveUp.reason);
        const refuse = (): void => {
          unsubscribe();
          reject(giveUp?.reason);
        };
        const unsubscribe = ports.subscribe(({ key, after }) => {
          if (key !== name || after === undefined) return;
          unsubscribe();
          giveUp?.removeEventListener("abort", refuse);
          resolve();
        });
        giveUp?.addEventListener("abort", refuse, { once: true });
      }),
  };
}

/** More pods than a node has. */
const takenAwayAtMost = 1_000;

/** What else the table tells of a port makes no flow. */
const samePort = (one: LocalPort, other: LocalPort): boolean =>
  one.ofport === other.ofport &&
  one.podNamespace === other.podNamespace &&
  one.podName === other.podName &&
  one.containerId === other.containerId &&
  one.mac.equals(other.mac) &&
  String(one.addresses) === String(other.addresses);
