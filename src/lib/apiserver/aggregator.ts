import type { IncomingMessage } from "node:http";
import type { DiscoveredVersion } from "./discovery/aggregated.ts";
import type { GroupVersion } from "./discovery/resource-list.ts";
import type { RawExchange } from "./subresource.ts";
import type { UserInfo } from "./user.ts";

/** Group versions that other servers answer for behind this one. */
export interface Aggregator {
  /** True when requests to this group version belong to another server. */
  claims(groupVersion: GroupVersion): boolean;
  /** Passes a request on, upgraded or not. Throws ServiceUnavailable before anything was answered. */
  forward(groupVersion: GroupVersion, exchange: RawExchange, user: UserInfo, request: IncomingMessage): Promise<void>;
  /** What the other servers serve, as last seen. */
  discovered(): readonly DiscoveredVersion[];
  close(): void;
}
