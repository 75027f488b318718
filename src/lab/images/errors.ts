import { CodedError } from "#lib/runtime/errors.ts";

export class ImageBuildFailed extends CodedError {
  constructor(image: string, reason: string) {
    super("IMAGE_BUILD_FAILED", `image ${image}: ${reason}`);
  }
}

export class ImageLoadFailed extends CodedError {
  constructor(archive: string, reason: string) {
    super("IMAGE_LOAD_FAILED", `${archive}: ${reason}: give an image archive as made by docker save, or an OCI image layout in a tar file`);
  }
}
