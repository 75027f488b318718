/** Where antctl runs decides whom it asks: the agent or the controller of its Pod, or a cluster by kubeconfig. */
export type Mode = "agent" | "controller" | "remote";

/** As upstream: the Pod's name tells. Outside a Pod of ours, a kubeconfig leads to the controller's aggregated APIs. */
export function modeOf(environment: NodeJS.ProcessEnv): Mode {
  const pod = environment.POD_NAME ?? "";
  if (pod.startsWith("antrea-agent")) return "agent";
  if (pod.startsWith("antrea-controller")) return "controller";
  return "remote";
}
