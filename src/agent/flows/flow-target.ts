import type { OpenFlowConnection } from "#lib/openflow/connection.ts";

/** What the reconciler needs of a connection. */
export type FlowTarget = Pick<
  OpenFlowConnection,
  | "tables"
  | "dumpFlows"
  | "dumpGroups"
  | "dumpMeters"
  | "meters"
  | "change"
  | "monitorFlows"
  | "onRequestForward"
  | "setAsync"
  | "closed"
  | "close"
>;
