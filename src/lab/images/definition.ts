import type { TarEntry } from "./tar.ts";

/** What runs when a container says nothing else. `tags` are the references by which pods ask for it, fully qualified. */
export interface ImageVariant {
  readonly tags: readonly string[];
  readonly config: {
    readonly entrypoint?: readonly string[];
    readonly command?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
    readonly workingDirectory?: string;
    /** Default: that it is a stand-in of the lab. */
    readonly labels?: Readonly<Record<string, string>>;
  };
}

/** What an image is made of. `name` is for people. */
export interface ImageDefinition extends ImageVariant {
  readonly name: string;
  readonly entries: readonly TarEntry[];
  /** Images of the same files, in the same archive: a node imports and keeps those once. */
  readonly variants?: readonly ImageVariant[];
}

/** The repository's own tag that answers for every tag of it: a pod may ask for any version of a stand-in (see the kubelet). */
export const standInTag = "lab-stand-in";

/** `repository:tag` for each of `tags`, and for the stand-in tag. */
export function tagged(repository: string, tags: readonly string[]): string[] {
  return [...tags, standInTag].map((tag) => `${repository}:${tag}`);
}
