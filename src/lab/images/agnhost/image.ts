import { corednsImage } from "../coredns/image.ts";
import { type ImageDefinition, tagged } from "../definition.ts";
import { programsLayer } from "../programs-layer.ts";

/** A real kubelet knows nothing of stand-ins: the tags that suites of Kubernetes 1.24 to 1.37 ask for are there by name. */
const versions = [
  ...["2.39", "2.40", "2.43", "2.45", "2.47", "2.52", "2.53", "2.54", "2.55", "2.56", "2.57", "2.59"],
  ...["2.60.0", "2.61.0", "2.62.0", "2.63.0", "2.64.0", "2.65.0"],
];

/** The test server: our commands, bundled, on the Node that runs the lab, beside a shell. */
export async function agnhostImage(): Promise<ImageDefinition> {
  return {
    name: "agnhost (the lab's own test server, and name server)",
    tags: [
      ...tagged("registry.k8s.io/e2e-test-images/agnhost", versions),
      // Called with a shell and `dig`, both of which are here.
      ...tagged("registry.k8s.io/e2e-test-images/glibc-dns-testing", ["2.0.0"]),
    ],
    entries: await programsLayer(),
    config: { entrypoint: ["/agnhost"], command: ["pause"] },
    variants: [corednsImage],
  };
}
