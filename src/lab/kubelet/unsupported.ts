import type { KubeletContainer, KubeletPod } from "./pod.ts";
import { unsupportedKind } from "./volumes.ts";

/** What the pod asks for that this kubelet does not have yet, one line each; the rest of the pod runs. */
export function unsupportedFields(pod: KubeletPod): string[] {
  const { spec } = pod;
  const containers: readonly KubeletContainer[] = [...(spec.initContainers ?? []), ...spec.containers];
  return [
    ...when(spec.runtimeClassName !== undefined, "runtimeClassName: the node's only runtime is used"),
    ...when((spec.ephemeralContainers ?? []).length > 0, "ephemeralContainers: they are not started"),
    ...(spec.volumes ?? []).flatMap((volume) => {
      const kind = unsupportedKind(volume);
      return kind === undefined ? [] : [`volume ${volume.name} of kind ${kind}: the pod can't start`];
    }),
    ...containers.flatMap((container) => [
      ...when(container.securityContext?.runAsNonRoot === true, `container ${container.name}: runAsNonRoot: it is not checked`),
      ...when((container.volumeDevices ?? []).length > 0, `container ${container.name}: volumeDevices: they are not there`),
      ...[container.readinessProbe, container.livenessProbe, container.startupProbe].flatMap((probe) =>
        when(probe?.grpc !== undefined, `container ${container.name}: grpc probe: it counts as succeeded`),
      ),
    ]),
  ];
}

const when = (holds: boolean, text: string): string[] => (holds ? [text] : []);
