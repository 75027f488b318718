import { type ConfigOptions, readConfigOptions } from "./config-options.ts";

/** A part of `antrea-controller.conf`: what a lab's controllers are configured with beyond what the lab itself needs. */
export type ControllerOptions = ConfigOptions;

/** A lab has the kinds of policy.networking.k8s.io, so they count there. */
export const defaultControllerOptions: ControllerOptions = { featureGates: { ClusterNetworkPolicy: true, AdminNetworkPolicy: true } };

export const readControllerOptions = (given: readonly string[]): ControllerOptions =>
  readConfigOptions(given, { option: "--controller-config", ownKeys: ["apiPort", "runDir", "clientConnection"] });
