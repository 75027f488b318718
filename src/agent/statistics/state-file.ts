import { createHash } from "node:crypto";
import { type KeptStatistics, readStatistics, writeStatistics } from "#core/statistics/index.ts";
import { errorCode, errorMessage, type Files, type Logger } from "#lib/runtime/index.ts";

/** Larger than statistics of all the rules that a node can have. */
const longestFile = 64 * 1024 * 1024;

/** Reads what was counted before this start. One that is damaged is set aside as `FILE.damaged` and counting begins anew: undefined, as when there is none. */
export async function findStatistics(file: string, files: Files, logger: Logger): Promise<KeptStatistics | undefined> {
  try {
    const text = await files.read(file);
    return readStatistics(text.slice(0, longestFile), checksum);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    logger.error("statistics of policies begin anew on this node", { file, error: errorMessage(error) });
    await files.rename(file, `${file}.damaged`).catch(() => {});
    return undefined;
  }
}

export const saveStatistics = (file: string, files: Files, kept: KeptStatistics): Promise<void> =>
  files.replace(file, writeStatistics(kept, checksum), { durable: true });

const checksum = (content: string): string => createHash("sha256").update(content).digest("hex");
