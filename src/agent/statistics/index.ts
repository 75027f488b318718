export { keepStatistics, type NodeStatistics } from "./keep.ts";
export { reportStatistics } from "./report.ts";
