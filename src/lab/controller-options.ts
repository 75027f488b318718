import { checkOptions } from "./check-options.ts";
import { type ConfigOptions, readConfigOptions } from "./config-options.ts";

/** A part of `antrea-controller.conf`: what a lab's controllers are configured with beyond what the lab itself needs. */
export type ControllerOptions = ConfigOptions;

/** A lab has the kinds of policy.networking.k8s.io, so they count there. */
export const defaultControllerOptions: ControllerOptions = { featureGates: { ClusterNetworkPolicy: true, AdminNetworkPolicy: true } };

const option = "--controller-config";

/** Throws {@link RefusedOptions} where the controller would not start with them. */
export const checkControllerOptions = (options: ControllerOptions, how: { readonly fromSource: boolean }): Promise<void> =>
  checkOptions({ option, name: "antrea-controller", options, fromSource: how.fromSource });

export const readControllerOptions = (given: readonly string[]): ControllerOptions =>
  readConfigOptions(given, { option, ownKeys: ["apiPort", "runDir", "clientConnection"] });
