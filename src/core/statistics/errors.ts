import { CodedError } from "#lib/runtime/index.ts";

/** What was counted before is not what was written: counting begins anew on the node, and controllers keep what they were told. */
export class DamagedStatistics extends CodedError {
  constructor(reason: string) {
    super("DAMAGED_STATISTICS", `statistics on disk: ${reason}`);
  }
}
