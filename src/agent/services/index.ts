export { followServices, sliceIndexes } from "./follow.ts";
export { answerUnserved } from "./reject.ts";
export { connectionTracker, forgetStaleConnections } from "./stale-connections.ts";
