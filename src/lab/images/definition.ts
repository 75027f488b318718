import type { TarEntry } from "./tar.ts";

/** What an image is made of. `name` is for people; `tags` are the references by which pods ask for it, fully qualified. */
export interface ImageDefinition {
  readonly name: string;
  readonly tags: readonly string[];
  readonly entries: readonly TarEntry[];
  readonly config: {
    readonly entrypoint?: readonly string[];
    readonly command?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
    readonly workingDirectory?: string;
    /** Default: that it is a stand-in of the lab. */
    readonly labels?: Readonly<Record<string, string>>;
  };
}

/** The repository's own tag that answers for every tag of it: a pod may ask for any version of a stand-in (see the kubelet). */
export const standInTag = "lab-stand-in";

/** `repository:tag` for each of `tags`, and for the stand-in tag. */
export function tagged(repository: string, tags: readonly string[]): string[] {
  return [...tags, standInTag].map((tag) => `${repository}:${tag}`);
}
