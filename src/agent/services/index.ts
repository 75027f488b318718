export { followServices, sliceIndexes } from "./follow.ts";
export { answerRejected } from "./reject.ts";
export { connectionTracker, forgetStaleConnections } from "./stale-connections.ts";
