import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { buildImage } from "#lab/images/build.ts";
import { busyboxImage, pauseImage } from "#lab/images/busybox.ts";
import { loadImages } from "#lab/images/load.ts";
import { type CriClient, connectCri } from "#lib/cri/client.ts";
import { isNotFound } from "#lib/cri/errors.ts";
import { watchContainerEvents } from "#lib/cri/events.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import { sleep, systemRuntime } from "#lib/runtime/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { cleanupContainerd, containerCgroup } from "./containerd-cleanup.ts";
import { type Containerd, startContainerd } from "./containerd.ts";

// A real containerd and runc, in a network namespace of the test.
const runtime = systemRuntime({ level: "error" });
const netns = `kl-cd-${process.pid}`;
const directory = mkdtempSync("/tmp/kl-cd-");
const options = {
  directory,
  netns: `/run/netns/${netns}`,
  cniConfDir: `${directory}/cni`,
  cniBinDir: `${directory}/bin`,
  pauseImage: "registry.k8s.io/pause:3.10",
};
let containerd: Containerd;
let cri: CriClient;

before(async () => {
  execFileSync("ip", ["netns", "add", netns]);
  execFileSync("ip", ["-n", netns, "link", "set", "lo", "up"]);
  mkdirSync(options.cniConfDir);
  containerd = await startContainerd(runtime, options);
  cri = connectCri({ clock: runtime.clock, socket: containerd.socket });
  const archives = await Promise.all([pauseImage(), await busyboxImage()].map((image) => buildImage(image)));
  await loadImages({ socket: containerd.socket, archives });
});

after(async () => {
  cri.close();
  await containerd.stop();
  execFileSync("ip", ["netns", "delete", netns]);
  rmSync(directory, { recursive: true });
});

const namespaceOptions = { network: "NODE", pid: "CONTAINER", ipc: "NODE" } as const;

async function runContainer(name: string, command: readonly string[]): Promise<{ sandbox: string; container: string }> {
  const sandboxConfig = {
    metadata: { name, uid: name, namespace: "default", attempt: 0 },
    logDirectory: `${directory}/logs`,
    linux: { cgroupParent: `${containerCgroup(directory)}/pod-${name}`, securityContext: { namespaceOptions } },
  };
  const { podSandboxId } = await cri.runPodSandbox({ config: sandboxConfig });
  const { containerId } = await cri.createContainer({
    podSandboxId,
    sandboxConfig,
    config: {
      metadata: { name },
      image: { image: "busybox:1.36" },
      command,
      logPath: `${name}.log`,
      linux: { resources: { oomScoreAdj: 1_000n }, securityContext: { namespaceOptions } },
    },
  });
  await cri.startContainer({ containerId });
  return { sandbox: podSandboxId, container: containerId };
}

/** Everything of the directory that the machine still knows. */
function leftovers(): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const cgroups = readdirSync("/sys/fs/cgroup", { recursive: false }).flatMap((name) => {
    try {
      return readdirSync(`/sys/fs/cgroup/${name}`).map((child) => `${name}/${child}`);
    } catch {
      return [];
    }
  });
  const commands = readdirSync("/proc").flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : [];
    } catch {
      return [];
    }
  });
  return [
    ...mounts.filter((line) => line.includes(directory)),
    ...cgroups.filter((path) => path.endsWith(containerCgroup(directory))),
    ...commands.filter((line) => line.includes(directory)),
  ];
}

async function eventually(holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = runtime.clock.monotonic() + amplePatience;
  while (!(await holds())) {
    assert.ok(runtime.clock.monotonic() < deadline, "given up");
    await sleep(runtime.clock, milliseconds(20));
  }
}

test("a host-network container runs in the node's namespace, answers exec and leaves its log and exit code", {
  timeout: 240_000,
}, async () => {
  const topics: string[] = [];
  const events = watchContainerEvents(runtime, { socket: containerd.socket, changed: (topic) => topics.push(topic) });
  const { sandbox, container } = await runContainer("exec", [
    "sh",
    "-c",
    "echo out; echo err >&2; while [ ! -e /end ]; do sleep 0.1; done; exit 7",
  ]);
  const links = await cri.execSync({ containerId: container, cmd: ["ls", "/sys/class/net"], timeout: 120n });
  assert.equal(Buffer.from(links.stdout).toString(), "lo\n");
  const failing = await cri.execSync({ containerId: container, cmd: ["sh", "-c", "touch /end; exit 3"], timeout: 120n });
  assert.equal(failing.exitCode, 3);
  const state = async () => (await cri.containerStatus({ containerId: container })).status;
  await eventually(async () => (await state())?.state === "CONTAINER_EXITED");
  assert.equal((await state())?.exitCode, 7);
  assert.match(readFileSync(`${directory}/logs/exec.log`, "utf8"), /Z stdout F out\n/);
  await eventually(() => topics.includes("/tasks/exit"));
  events.stop();
  await cri.stopPodSandbox({ podSandboxId: sandbox });
  await cri.removePodSandbox({ podSandboxId: sandbox });
  await assert.rejects(cri.containerStatus({ containerId: container }), isNotFound);
});

test("containers survive a killed containerd; after everything was killed, cleanup leaves nothing", { timeout: 240_000 }, async () => {
  const { container } = await runContainer("survivor", ["sleep", "1000"]);
  process.kill(containerd.pid, "SIGKILL");
  await containerd.exited;
  containerd = await startContainerd(runtime, options);
  await eventually(
    async () => (await cri.listContainers({}).catch(() => undefined))?.containers.some(({ id }) => id === container) ?? false,
  );
  assert.equal((await cri.containerStatus({ containerId: container })).status?.state, "CONTAINER_RUNNING");
  assert.notDeepEqual(leftovers(), []);
  process.kill(containerd.pid, "SIGKILL");
  await containerd.exited;
  await cleanupContainerd({ directory, clock: runtime.clock });
  assert.deepEqual(leftovers(), []);
  containerd = await startContainerd(runtime, options);
});

test("a directory too long for a socket is refused by name", async () => {
  await assert.rejects(startContainerd(runtime, { ...options, directory: `/tmp/${"x".repeat(90)}` }), /longer than 80 characters/);
});
