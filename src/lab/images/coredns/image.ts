import { type ImageVariant, tagged } from "../definition.ts";

/** The tags that kubeadm of Kubernetes 1.30 to 1.37 asks for. */
const versions = ["v1.11.1", "v1.11.3", "v1.12.0", "v1.12.1", "v1.13.1"];

const repository = "registry.k8s.io/coredns/coredns";

export const corednsReference = `${repository}:${versions.at(-1)}`;

/** The cluster's name server: ours, under the stock one's name, in the files of the test server's image. */
export const corednsImage: ImageVariant = { tags: tagged(repository, versions), config: { entrypoint: ["/coredns"] } };
