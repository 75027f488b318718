import { agnhostImage } from "./agnhost/image.ts";
import { buildImage, imageCache } from "./build.ts";
import { busyboxImage, pauseImage } from "./busybox.ts";
import type { ImageDefinition } from "./definition.ts";
import { iperf3Image } from "./iperf3.ts";
import { suiteBusyboxImage } from "./suite-busybox.ts";

/** The image that every pod sandbox runs. */
export const pauseReference = "registry.k8s.io/pause:3.10";

/** What every lab node has from the start. */
export async function labImages(): Promise<readonly ImageDefinition[]> {
  return [pauseImage(), await busyboxImage(), await suiteBusyboxImage(), await iperf3Image(), await agnhostImage()];
}

/** Archives of all images of the lab, built where they are not cached yet. */
export async function buildImages(directory: string = imageCache): Promise<readonly string[]> {
  const images = await labImages();
  return Promise.all(images.map((image) => buildImage(image, directory)));
}
