import type { LabPaths } from "../paths.ts";
import { delegationArguments } from "./delegation.ts";

/** Flags of a real kube-scheduler in a lab. */
export const kubeSchedulerArguments = (paths: LabPaths): readonly string[] => delegationArguments({ paths, user: "kube-scheduler" });
