import type { KubeletPod, PodStatus } from "./pod.ts";
import { qosClass } from "./resources.ts";
import { terminal } from "./status.ts";

/** Why a node does not take a pod, in the words of a stock kubelet. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/** Decides once for each pod whether this node takes it. */
export interface Admission {
  /** Undefined for a pod that the node takes, or has taken. */
  refusal(pod: KubeletPod): Refusal | undefined;
  forget(uid: string): void;
}

/** `pods` are those of the node, this one and those that were refused among them. */
export function createAdmission(pods: () => Iterable<KubeletPod>): Admission {
  const taken = new Set<string>();
  // a kubelet that is started anew finds those that it had taken by what it wrote of them
  const isTaken = ({ metadata: { uid = "" }, status }: KubeletPod): boolean => taken.has(uid) || status?.startTime !== undefined;
  return {
    refusal(pod) {
      const { uid = "" } = pod.metadata;
      if (terminal(pod.status?.phase)) return undefined;
      if (!isTaken(pod)) {
        const wanted = hostPorts(pod);
        for (const other of pods())
          if (other.metadata.uid !== uid && isTaken(other) && !terminal(other.status?.phase) && collide(wanted, hostPorts(other)))
            return portTaken;
      }
      taken.add(uid);
      return undefined;
    },
    forget: (uid) => void taken.delete(uid),
  };
}

/** As the predicate of the scheduler is named that looks at ports of nodes. */
const portTaken: Refusal = { reason: "NodePorts", message: "Pod was rejected: Predicate NodePorts failed" };

interface HostPort {
  readonly port: number;
  readonly protocol: string;
  /** "" for all addresses of the node. */
  readonly address: string;
}

function hostPorts({ spec }: KubeletPod): HostPort[] {
  return spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, protocol = "TCP", hostIP = "" }) =>
      hostPort === undefined || hostPort === 0 ? [] : [{ port: hostPort, protocol, address: unspecified.has(hostIP) ? "" : hostIP }],
    ),
  );
}

const unspecified = new Set(["0.0.0.0", "::"]);

const collide = (wanted: readonly HostPort[], held: readonly HostPort[]): boolean =>
  wanted.some(({ port, protocol, address }) =>
    held.some(
      (other) =>
        other.port === port && other.protocol === protocol && (address === "" || other.address === "" || other.address === address),
    ),
  );

/** What the API is told of a pod that the node does not take: it has failed, and who wants it makes another. */
export function refusedStatus(pod: KubeletPod, { reason, message }: Refusal, now: string): PodStatus {
  const { conditions = [], qosClass: quality = qosClass(pod) } = pod.status ?? {};
  return { ...pod.status, phase: "Failed", reason, message, conditions, startTime: now, qosClass: quality } as PodStatus;
}
