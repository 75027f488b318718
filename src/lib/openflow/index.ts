export type { TableNames, TableNumbers } from "./actions/index.ts";
export * from "./connection.ts";
export { InvalidFlowText, UnencodableFlow } from "./errors.ts";
export * from "./flow.ts";
export type { Bucket, Group, GroupMod } from "./group.ts";
export { formatGroup, parseGroup } from "./group-text.ts";
export { sameGroup } from "./messages/group-mod.ts";
export type { Meter, MeterBand, MeterMod } from "./meter.ts";
export { formatMeter, sameMeter } from "./meter-text.ts";
