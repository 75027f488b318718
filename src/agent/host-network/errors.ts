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

/** A row of the node's network that its target refuses, and why. */
export interface RefusedRow {
  /** In the target's words: `route 10.10.1.0/24`. */
  readonly row: string;
  readonly reason: string;
}

/** As many rows as the message names. */
const toldAtMost = 3;

/** Some rows of a part of the node's network are not as they should be; the others are. */
export class RowsRefused extends CodedError {
  readonly rows: readonly RefusedRow[];

  constructor(rows: readonly RefusedRow[]) {
    const first = rows.slice(0, toldAtMost).map(({ row, reason }) => `${row}: ${reason}`);
    super("ROWS_REFUSED", [...first, ...(rows.length > toldAtMost ? [`and ${rows.length - toldAtMost} more`] : [])].join("; "));
    this.rows = rows;
  }
}
