import { join } from "node:path";
import { buildCni } from "#cni/build.ts";
import { projectFolder } from "./programs.ts";

/** The antrea-cni executable, built when its source changed. */
export async function buildCniExecutable(): Promise<string> {
  const outFile = join(projectFolder, "dist", "antrea-cni");
  await buildCni({ outFile });
  return outFile;
}
