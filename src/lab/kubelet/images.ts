import type { CriClient } from "#lib/cri/index.ts";
import { standInTag } from "#lab/images/definition.ts";
import { ContainerBlocked } from "./errors.ts";
import type { KubeletContainer } from "./pod.ts";

/**
 * The id of the container's image in the runtime. The lab never pulls: an image is one of its stand-ins, of which any tag will do,
 * or was loaded. Throws {@link ContainerBlocked} when it is neither.
 */
export async function findImage(cri: CriClient, container: KubeletContainer): Promise<string> {
  const reference = container.image ?? "";
  for (const candidate of [reference, standInOf(reference)]) {
    const { image } = await cri.imageStatus({ image: { image: candidate } });
    if (image !== undefined && image.id !== "") return image.id;
  }
  throw new ContainerBlocked(
    "ErrImageNeverPull",
    `image ${JSON.stringify(reference)} is not in the lab: load it with antctl lab image load FILE`,
  );
}

/** The reference of the stand-in for any tag or digest of a repository. */
export function standInOf(reference: string): string {
  const [name = ""] = reference.split("@");
  const lastSlash = name.lastIndexOf("/");
  const colon = name.indexOf(":", lastSlash + 1);
  return `${colon < 0 ? name : name.slice(0, colon)}:${standInTag}`;
}
