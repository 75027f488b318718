import { run } from "#lab/command.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { ImageLoadFailed } from "./errors.ts";

/** Imports image archives (`docker save` or OCI layout) into the containerd at `socket`, unpacked and visible to its CRI. Returns the references. */
export async function loadImages(options: {
  readonly socket: string;
  readonly archives: readonly string[];
  readonly snapshotter?: "overlayfs" | "native";
}): Promise<string[]> {
  const references: string[] = [];
  for (const archive of options.archives) {
    const snapshotter = options.snapshotter === undefined ? [] : ["--snapshotter", options.snapshotter];
    try {
      const stdout = await run("ctr", [
        ...["--address", options.socket, "--namespace", "k8s.io"],
        ...["images", "import", ...snapshotter, archive],
      ]);
      references.push(...[...stdout.matchAll(/^unpacking (\S+) /gm)].flatMap(([, reference]) => reference ?? []));
    } catch (error) {
      throw new ImageLoadFailed(archive, lastWords(errorMessage(error)));
    }
  }
  return references;
}

/** What ctr says last, without the command line before it. */
const lastWords = (message: string): string => message.split("ctr: ").at(-1) ?? message;
