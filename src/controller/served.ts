import { controlplaneGroup, controlplaneVersion } from "#core/api/controlplane/index.ts";
import { statsGroup, statsVersion } from "#core/api/stats/names.ts";

/** The API groups that this controller answers for: each is one APIService in the deployment. */
export const servedGroupVersions = [
  { group: controlplaneGroup, version: controlplaneVersion },
  { group: "system.antrea.io", version: "v1beta1" },
  { group: statsGroup, version: statsVersion },
] as const;
