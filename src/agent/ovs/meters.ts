import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { Meter } from "#lib/openflow/meter.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";

/**
 * The meters that flows may name: all of `wanted`, or none where the datapath lacks them (a kernel before 4.18 has none that work), as a flow that names one which is not there is refused. Then
 * the agent's own bounds are all there is. None, too, when that cannot be found out.
 */
export async function metersToUse(
  wanted: readonly Meter[],
  options: {
    readonly connect: (signal: AbortSignal) => Promise<Pick<OpenFlowConnection, "mostMeters" | "close">>;
    readonly logger: Logger;
    readonly signal: AbortSignal;
  },
): Promise<readonly Meter[]> {
  const { connect, logger, signal } = options;
  const highest = Math.max(0, ...wanted.map(({ meter }) => meter));
  if (highest === 0) return [];
  try {
    const connection = await connect(signal);
    try {
      const most = await connection.mostMeters();
      if (most >= highest) return wanted;
      logger.warn("the datapath has too few meters: what it hands over is bounded by the agent alone", { has: most, needed: highest });
    } finally {
      connection.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    logger.warn("cannot find out whether the datapath has meters: none are used", { error: errorMessage(error) });
  }
  return [];
}
