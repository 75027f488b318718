import type { Prefix } from "#lib/ip/index.ts";
import { CodedError } from "#lib/runtime/errors.ts";

/** Somebody else routes a pod CIDR of the cluster. */
export class RouteTaken extends CodedError {
  constructor(destination: Prefix, protocol: number) {
    super(
      "ROUTE_TAKEN",
      `pods of ${destination} cannot be reached: a route to it of another program (protocol ${protocol}) is in the main table; remove it`,
    );
  }
}
