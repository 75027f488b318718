// `npm run image [-- FILE]`: the container image of deploy/antrea.yml for this machine's architecture, as an OCI layout in a tar file.
import { copyFile, mkdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import packageFile from "../package.json" with { type: "json" };
import { antreaImage } from "../src/lab/images/antrea/image.ts";
import { buildImage } from "../src/lab/images/build.ts";

const image = await antreaImage(packageFile.version);
const file = resolve(process.argv[2] ?? join("dist", `antrea-ts-${packageFile.version}.tar`));
await mkdir(dirname(file), { recursive: true });
await copyFile(await buildImage(image), file);
const { size } = await stat(file);
process.stdout.write(
  [
    `${image.tags.join(", ")}: ${file} (${Math.round(size / 1_000_000)} MB)`,
    `containerd: ctr --namespace k8s.io images import ${file}`,
    `a registry: skopeo copy oci-archive:${file} docker://REGISTRY/antrea-ts:${packageFile.version}`,
    "",
  ].join("\n"),
);
