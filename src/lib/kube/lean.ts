import type { Pod } from "./kinds.ts";

/**
 * A Pod with what a network looks at, for tables that hold many: identity, labels, node, named ports, addresses, readiness. Without managed
 * fields, annotations, images, environments, volumes and states of containers, which are most of its size.
 */
export function leanPod(pod: Pod): Pod {
  const known = leanPods.get(pod);
  if (known !== undefined) return known;
  const lean = Object.freeze(withoutRest(pod));
  if (Object.isFrozen(pod)) leanPods.set(pod, lean);
  return lean;
}

/** Of pods that are frozen: in a simulation several programs keep the same one. */
const leanPods = new WeakMap<Pod, Pod>();

function withoutRest({ apiVersion, kind, metadata, spec, status }: Pod): Pod {
  const { name, namespace, uid, resourceVersion, labels, deletionTimestamp } = metadata;
  const { nodeName, hostNetwork, serviceAccountName } = spec;
  return {
    ...given({ apiVersion, kind }),
    metadata: given({ name, namespace, uid, resourceVersion, labels, deletionTimestamp }),
    spec: {
      ...given({ nodeName, hostNetwork, serviceAccountName }),
      containers: spec.containers.map((container) => given({ name: container.name, ports: container.ports })),
    },
    ...(status && {
      status: given({
        phase: status.phase,
        podIP: status.podIP,
        podIPs: status.podIPs,
        conditions: status.conditions?.filter(({ type }) => type === "Ready"),
      }),
    }),
  };
}

type Given<Fields> = { [Name in keyof Fields]: Exclude<Fields[Name], undefined> };

/** Without the fields that are undefined. */
function given<Fields extends object>(fields: Fields): Given<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<Fields>;
}
