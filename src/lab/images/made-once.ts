import { dirname } from "node:path";
import { errorCode } from "#lib/runtime/errors.ts";
import { systemFiles } from "#lib/runtime/files.ts";
import { placeOnce } from "#lib/runtime/place-once.ts";

/** The text of `file`, which is made when it is not there. Labs start side by side: all of them get what the first one made. */
export async function madeOnce(file: string, make: () => Promise<string> | string): Promise<string> {
  const text = (): Promise<string> => systemFiles.read(file);
  return text().catch(async (error: unknown) => {
    if (errorCode(error) !== "ENOENT") throw error;
    await systemFiles.makeFolder(dirname(file));
    const own = `${file}.${process.pid}`;
    await systemFiles.replace(own, await make());
    await placeOnce(own, file);
    await systemFiles.remove(own);
    return text();
  });
}
