import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { labPaths } from "../paths.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../spec.ts";
import { kubernetesParts } from "../status.ts";
import { findKubeAssets } from "./find-assets.ts";
import { kubeApiServerArguments } from "./kube-apiserver.ts";
import { kubeControllerManagerArguments } from "./kube-controller-manager.ts";
import { realKubeletArguments } from "./kubelet.ts";

const root = mkdtempSync(join(tmpdir(), "kube-assets-"));
after(() => rmSync(root, { recursive: true }));

/** A folder with these executables; `name-` is a file that cannot be executed. */
function folderOf(...names: readonly string[]): string {
  const folder = mkdtempSync(join(root, "folder-"));
  for (const name of names) {
    const file = join(folder, name.replace(/-$/, ""));
    writeFileSync(file, "#!/bin/sh\n");
    chmodSync(file, name.endsWith("-") ? 0o644 : 0o755);
  }
  return folder;
}

test("each program is taken on its own, etcd from PATH where the folder has none", () => {
  const all = folderOf("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl");
  assert.deepEqual(Object.keys(findKubeAssets(all)).sort(), [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
  ]);
  const kubelet = folderOf("kubelet", "kube-scheduler-");
  assert.deepEqual(findKubeAssets(kubelet), { kubelet: join(kubelet, "kubelet") });
  const alone = folderOf("kube-apiserver");
  const elsewhere = folderOf("etcd");
  assert.equal(findKubeAssets(alone, elsewhere).etcd, join(elsewhere, "etcd"));
});

for (const [what, folder, words] of [
  ["a folder that is not there", join(root, "none"), /is no folder/],
  ["a folder without any of them", folderOf("etcd", "kubectl", "kubelet-"), /holds none of/],
  ["a scheduler without an API server", folderOf("kube-scheduler"), /kube-scheduler can run with a kube-apiserver only/],
] as const)
  test(`${what} is refused`, () => {
    assert.throws(() => findKubeAssets(folder), { code: "INVALID_LAB_OPTION", message: words });
  });

test("an API server without etcd anywhere is refused", () => {
  assert.throws(() => findKubeAssets(folderOf("kube-apiserver"), ""), { code: "INVALID_LAB_OPTION", message: /needs etcd/ });
});

const paths = labPaths("flags");
const spec = { name: "flags", nodes: 0, podCidrs: defaultPodCidrs, serviceCidrs: defaultServiceCidrs, uplink: false, fromSource: true };

test("addresses and families of the lab stand in the flags", () => {
  const only = (family: 4 | 6) => {
    const of = (cidrs: readonly string[]): string[] => cidrs.filter((cidr) => cidr.includes(":") === (family === 6));
    return { ...spec, podCidrs: of(spec.podCidrs), serviceCidrs: of(spec.serviceCidrs) };
  };
  const dual = kubeControllerManagerArguments({ paths, spec });
  assert.ok(dual.includes("--cluster-cidr=10.10.0.0/16,fd00:10:10::/56"));
  assert.ok(dual.includes("--node-cidr-mask-size-ipv4=24") && dual.includes("--node-cidr-mask-size-ipv6=64"));
  const v6 = kubeControllerManagerArguments({ paths, spec: only(6) });
  assert.ok(!v6.includes("--node-cidr-mask-size-ipv4=24"));
  assert.ok(kubeApiServerArguments({ paths, spec }).includes("--advertise-address=172.30.0.1"));
  assert.ok(kubeApiServerArguments({ paths, spec: only(6) }).includes("--advertise-address=fd00:172:30::1"));
});

test("a real kubelet gets its node's addresses in the order of the pods' families", () => {
  const identity = {
    node: paths.node("node-1"),
    name: "node-1",
    addresses: ["172.30.0.11", "fd00:172:30::b"],
    kubeconfig: "/k",
    clientCa: "/ca",
    clusterDns: [],
    servingCertificate: "/crt",
    servingKey: "/key",
  };
  assert.deepEqual(realKubeletArguments(identity), [
    "--hostname-override=node-1",
    "--node-ip=172.30.0.11,fd00:172:30::b",
    "--kubeconfig=/k",
    `--config=${paths.root}/node-1/kubelet/kubelet.yaml`,
    `--root-dir=${paths.root}/node-1/kubelet/pods`,
  ]);
});

test("the status says which part is real", () => {
  mkdirSync(join(root, "bin"), { recursive: true });
  const parts = kubernetesParts({ assets: { kubelet: "/assets/kubelet" } });
  assert.deepEqual(
    parts.filter(({ program }) => program.startsWith("/")),
    [{ part: "kubelet", program: "/assets/kubelet" }],
  );
});
