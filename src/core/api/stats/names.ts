export const statsGroup = "stats.antrea.io";
export const statsVersion = "v1alpha1";
export const statsApiVersion = `${statsGroup}/${statsVersion}`;
