import type { WatchedProtocol } from "./watch.ts";
/** What the facade on the main thread asks of the worker thread, and what comes back. Bytes are encoded and decoded by the facade. */

/** Which namespace a job is for: 0 is the one the process started in, others were opened by a job. */
export type NamespaceId = number;
export const homeNamespace: NamespaceId = 0;

export type NetlinkProtocol = "route" | "netfilter";

export type Job =
  /** Sends one request, collects its answers up to the acknowledgement or the end of the dump. */
  | { readonly do: "exchange"; readonly namespace: NamespaceId; readonly protocol: NetlinkProtocol; readonly message: Uint8Array }
  /** The same for a request in which the kernel waits long (a deleted interface: tens of milliseconds): beside the other jobs, unordered. */
  | { readonly do: "exchangeAside"; readonly namespace: NamespaceId; readonly message: Uint8Array }
  | { readonly do: "openNamespace"; readonly path: string }
  /** With a path the namespace stays bound there until `removeNamespace`; without, it lives until closed. */
  | { readonly do: "createNamespace"; readonly path?: string }
  | { readonly do: "closeNamespace"; readonly namespace: NamespaceId }
  | { readonly do: "removeNamespace"; readonly path: string }
  | { readonly do: "readSysctl"; readonly namespace: NamespaceId; readonly path: string }
  | { readonly do: "writeSysctl"; readonly namespace: NamespaceId; readonly path: string; readonly value: string }
  | { readonly do: "getOffload"; readonly namespace: NamespaceId; readonly link: string; readonly feature: OffloadFeature }
  | {
      readonly do: "setOffload";
      readonly namespace: NamespaceId;
      readonly link: string;
      readonly feature: OffloadFeature;
      readonly on: boolean;
    }
  /** Sends whole Ethernet frames out of an interface. */
  | { readonly do: "sendFrames"; readonly namespace: NamespaceId; readonly linkIndex: number; readonly frames: readonly Uint8Array[] }
  /** Makes a tap device that is there for as long as the process, or the thread, lives. */
  | { readonly do: "holdTap"; readonly namespace: NamespaceId; readonly name: string }
  | { readonly do: "watch"; readonly namespace: NamespaceId; readonly protocol: WatchedProtocol; readonly groups: number }
  | { readonly do: "unwatch"; readonly watch: number }
  | { readonly do: "close" };

export type OffloadFeature = "txChecksum" | "rxChecksum" | "tcpSegmentation" | "genericSegmentation" | "genericReceive" | "scatterGather";

/** What each kind of job answers. */
export interface JobResults {
  readonly exchange: readonly Uint8Array[];
  readonly exchangeAside: readonly Uint8Array[];
  readonly openNamespace: OpenedNamespace;
  readonly createNamespace: OpenedNamespace;
  readonly closeNamespace: undefined;
  readonly removeNamespace: undefined;
  readonly readSysctl: string;
  readonly writeSysctl: undefined;
  readonly getOffload: boolean;
  readonly setOffload: undefined;
  readonly sendFrames: undefined;
  readonly holdTap: undefined;
  readonly watch: Watching;
  readonly unwatch: undefined;
  readonly close: undefined;
}

export interface Watching {
  readonly watch: number;
}

export interface OpenedNamespace {
  readonly namespace: NamespaceId;
  /** The descriptor that is open on it: descriptors belong to the process, so the main thread may put it into a request. */
  readonly fd: number;
}

export interface JobFailure {
  readonly what: string;
  readonly errno: string;
  readonly detail?: string | undefined;
}

export type FromWorker =
  | { readonly kind: "done"; readonly id: number; readonly result: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly failure: JobFailure }
  /** A notification of rtnetlink; of netfilter, without content, that there were some. */
  | { readonly kind: "watched"; readonly watch: number; readonly chunk: Uint8Array }
  /** The kernel dropped notifications (ENOBUFS): anything may have changed. */
  | { readonly kind: "overrun"; readonly watch: number };

export interface ToWorker {
  readonly id: number;
  readonly job: Job;
}
