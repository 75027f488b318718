import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { tryParsePrefix } from "#lib/ip/index.ts";
import { createAuthority, issueCertificate, type KeyPair } from "#lib/apiserver/certificates.ts";
import { systemFiles } from "#lib/runtime/files.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { formatKubeconfig } from "./kubeconfig-file.ts";
import type { LabPaths } from "./paths.ts";
import { apiNetwork, apiNetworkOf, apiServerPort, clusterNodeName, firstAddress, type LabSpec, nodeAddress, nodeName } from "./spec.ts";

/** Users of the lab's API with a client certificate and a kubeconfig each. Service accounts carry the names that `deploy/` binds roles to. */
const serviceAccountUser = (name: string) => ({
  commonName: `system:serviceaccount:kube-system:${name}`,
  organizations: ["system:serviceaccounts", "system:serviceaccounts:kube-system"],
});

const users: Readonly<Record<string, { readonly commonName: string; readonly organizations: readonly string[] }>> = {
  admin: { commonName: "kubernetes-admin", organizations: ["system:masters"] },
  "lab-controllers": { commonName: "system:kube-controller-manager", organizations: ["system:masters"] },
  "kube-controller-manager": { commonName: "system:kube-controller-manager", organizations: [] },
  "kube-scheduler": { commonName: "system:kube-scheduler", organizations: [] },
  "antrea-agent": serviceAccountUser("antrea-agent"),
  "antrea-controller": serviceAccountUser("antrea-controller"),
  antctl: serviceAccountUser("antctl"),
};

interface Pki {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
}

/** Makes what is missing of the lab's authority, certificates and kubeconfigs below `paths.pki`. Keys are readable by root alone. */
export async function createPki({
  runtime,
  paths,
  spec,
  hostPort,
}: {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly hostPort: number;
}): Promise<void> {
  await mkdir(paths.pki, { recursive: true, mode: 0o700 });
  const authority = await keep(paths, "ca", () => createAuthority(runtime, { commonName: "antrea-lab" }));
  const frontProxy = await keep(paths, "front-proxy-ca", () => createAuthority(runtime, { commonName: "antrea-lab-front-proxy" }));
  await keep(paths, "front-proxy-client", () =>
    issueCertificate(runtime, frontProxy, { commonName: "front-proxy-client", usages: ["client"] }),
  );
  await keep(paths, "api-server", () =>
    issueCertificate(runtime, authority, { commonName: "kube-apiserver", hosts: apiServerHosts(spec), usages: ["server"] }),
  );
  await keep(paths, "api-server-kubelet-client", () =>
    issueCertificate(runtime, authority, {
      commonName: "kube-apiserver-kubelet-client",
      organizations: ["system:masters"],
      usages: ["client"],
    }),
  );
  if (!existsSync(join(paths.pki, "service-account.key"))) {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await writeFile(join(paths.pki, "service-account.pub"), publicKey.export({ type: "spki", format: "pem" }));
    await writeFile(join(paths.pki, "service-account.key"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  }
  const inside = `https://${firstAddress(apiNetwork).v4}:${apiServerPort}`;
  for (const [user, subject] of Object.entries(users)) {
    const pair = await keep(paths, user, () => issueCertificate(runtime, authority, { ...subject, usages: ["client"] }));
    await writeFile(paths.kubeconfig(user), kubeconfig({ server: inside, lab: spec.name, user, authority, pair }), { mode: 0o600 });
  }
  await createEtcdPki({ runtime, paths });
  const admin = await read(paths, "admin");
  await writeFile(
    paths.adminKubeconfig,
    kubeconfig({ server: `https://127.0.0.1:${hostPort}`, lab: spec.name, user: "admin", authority, pair: admin }),
    { mode: 0o600 },
  );
}

/**
 * What a lab without a Kubernetes of its own needs: an authority for its kubelets' servers where the cluster issues no certificates for them. Another
 * lab of this machine has one that its API server asks for.
 */
export async function createJoiningPki({ runtime, paths, spec }: Pki): Promise<void> {
  await mkdir(paths.pki, { recursive: true, mode: 0o700 });
  const neighbours = join(dirname(spec.joins ?? ""), "pki");
  if (["ca.crt", "ca.key"].every((file) => existsSync(join(neighbours, file))))
    for (const file of ["ca.crt", "ca.key"]) await copyFile(join(neighbours, file), join(paths.pki, file));
  await keep(paths, "ca", () => createAuthority(runtime, { commonName: "antrea-lab" }));
}

/** A real etcd has an authority of its own: a certificate of the cluster's opens nothing there. */
async function createEtcdPki({ runtime, paths }: Pick<Pki, "runtime" | "paths">): Promise<void> {
  const authority = await keep(paths, "etcd-ca", () => createAuthority(runtime, { commonName: "antrea-lab-etcd" }));
  await keep(paths, "etcd-server", () =>
    issueCertificate(runtime, authority, { commonName: "etcd", hosts: ["127.0.0.1"], usages: ["server", "client"] }),
  );
  await keep(paths, "etcd-client", () => issueCertificate(runtime, authority, { commonName: "kube-apiserver", usages: ["client"] }));
}

/** Certificates of one node: the kubelet's as server and as client. */
export async function createNodePki({
  runtime,
  paths,
  spec,
  number,
}: {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly number: number;
}): Promise<void> {
  const authority = await read(paths, "ca");
  const name = nodeName(number);
  const address = nodeAddress(apiNetworkOf(spec), number);
  const clusterName = clusterNodeName(spec, number);
  const hosts = [clusterName, address.v4.toString(), address.v6.toString()];
  const serving = await keep(paths, `kubelet-${name}-server`, () =>
    issueCertificate(runtime, authority, {
      commonName: `system:node:${clusterName}`,
      organizations: ["system:nodes"],
      hosts,
      usages: ["server"],
    }),
  );
  if (spec.joins !== undefined) {
    // Under somebody else's API server it comes as whoever the kubeconfig names, and has this until the cluster gives it a better one (join/certify-nodes.ts).
    await systemFiles.replace(paths.renewed(`kubelet-${name}-server`), `${serving.certificate}${serving.key}`);
    return;
  }
  const pair = await keep(paths, `kubelet-${name}`, () =>
    issueCertificate(runtime, authority, { commonName: `system:node:${name}`, organizations: ["system:nodes"], usages: ["client"] }),
  );
  const server = `https://${firstAddress(apiNetwork).v4}:${apiServerPort}`;
  await writeFile(paths.kubeconfig(`kubelet-${name}`), kubeconfig({ server, lab: spec.name, user: `kubelet-${name}`, authority, pair }), {
    mode: 0o600,
  });
}

function apiServerHosts(spec: LabSpec): string[] {
  const own = firstAddress(apiNetwork);
  const service = spec.serviceCidrs.flatMap((cidr) => tryParsePrefix(cidr)?.address.plus(1n).toString() ?? []);
  const names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
  return ["localhost", "127.0.0.1", "::1", own.v4.toString(), own.v6.toString(), ...service, ...names];
}

function kubeconfig(options: {
  readonly server: string;
  readonly lab: string;
  readonly user: string;
  readonly authority: KeyPair;
  readonly pair: KeyPair;
}): string {
  const { server, lab, user, authority, pair } = options;
  return formatKubeconfig({ server, cluster: `antrea-lab-${lab}`, user, authority: authority.certificate, credentials: pair });
}

async function keep(paths: LabPaths, name: string, create: () => KeyPair): Promise<KeyPair> {
  if (existsSync(join(paths.pki, `${name}.key`))) return read(paths, name);
  const pair = create();
  await writeFile(join(paths.pki, `${name}.crt`), pair.certificate, { mode: 0o644 });
  await writeFile(join(paths.pki, `${name}.key`), pair.key, { mode: 0o600 });
  return pair;
}

async function read(paths: LabPaths, name: string): Promise<KeyPair> {
  const [certificate, key] = await Promise.all(["crt", "key"].map((ending) => readFile(join(paths.pki, `${name}.${ending}`), "utf8")));
  return { certificate: certificate ?? "", key: key ?? "" };
}
