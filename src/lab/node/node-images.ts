import packageFile from "../../../package.json" with { type: "json" };
import type { Runtime } from "#lib/runtime/runtime.ts";
import { antreaImage } from "../images/antrea/image.ts";
import { buildImage } from "../images/build.ts";
import { installImageStore, loadImages } from "../images/index.ts";
import type { NodePaths } from "../paths.ts";
import { containerdPaths } from "./containerd-config.ts";
import { chooseSnapshotter } from "./snapshotter.ts";

/** Gives a node that never ran the lab's images, before its containerd starts. */
export async function prepareNodeImages({ runtime, node }: { readonly runtime: Runtime; readonly node: NodePaths }): Promise<void> {
  await installImageStore(runtime, { root: containerdPaths(node.containerd).root });
}

/** Imports a `docker save` archive into a running node. */
export async function loadNodeImage({ node, archive }: { readonly node: NodePaths; readonly archive: string }): Promise<readonly string[]> {
  const snapshotter = await chooseSnapshotter(containerdPaths(node.containerd).root);
  return loadImages({ socket: node.containerdSocket, archives: [archive], snapshotter });
}

let productArchive: Promise<string> | undefined;

/** Imports the image that `deploy/antrea.yml` names, built once for all nodes. */
export async function loadProductImage(node: NodePaths): Promise<void> {
  productArchive ??= antreaImage(packageFile.version).then((image) => buildImage(image));
  await loadNodeImage({ node, archive: await productArchive });
}
