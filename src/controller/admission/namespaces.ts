import type { AdmissionRequest, Verdict } from "./review.ts";

const nameLabel = "antrea.io/metadata.name";

/** Lets a Namespace be selected by its name on clusters before Kubernetes 1.21. Nobody asks unless a configuration for it was written. */
export function labelNamespace({ object }: Pick<AdmissionRequest, "object">): Verdict {
  const { name = "", labels } = object?.metadata ?? {};
  if (object === undefined || labels?.[nameLabel] === name) return {};
  return {
    patch: [
      labels === undefined
        ? { op: "add", path: "/metadata/labels", value: { [nameLabel]: name } }
        : { op: "add", path: `/metadata/labels/${nameLabel.replaceAll("/", "~1")}`, value: name },
    ],
  };
}
