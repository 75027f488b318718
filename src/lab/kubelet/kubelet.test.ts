import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { request } from "node:https";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { configMaps, events, leases, namespaces, nodes, pods, secrets, serviceAccounts } from "#lib/kube/kinds.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import { sleep, systemClock } from "#lib/runtime/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { type NodeFixture, nodeAddresses, nodeName, startNodeFixture } from "./fixture/node-fixture.ts";
import type { KubeletPod, KubeletPodSpec } from "./pod.ts";

// A real containerd, a real API and a kubelet process of its own. Everything runs in a network namespace that the outer run of this
// file makes, so that nothing of the machine's network is touched.
const inner = process.env.KUBELET_TEST_NAMESPACE !== undefined;
const namespace = "default";

if (!inner)
  test("the kubelet on a node of its own", { timeout: 240_000 }, () => {
    const netns = `kl-kubelet-${process.pid}`;
    execFileSync("ip", ["netns", "add", netns]);
    try {
      execFileSync("ip", ["-n", netns, "link", "set", "lo", "up"]);
      const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
      const { status } = spawnSync(
        "nsenter",
        [`--net=/run/netns/${netns}`, "--", process.execPath, "--test", "--test-reporter=spec", fileURLToPath(import.meta.url)],
        { env: { ...environment, KUBELET_TEST_NAMESPACE: netns }, stdio: ["ignore", "inherit", "inherit"] },
      );
      assert.equal(status, 0);
    } finally {
      execFileSync("ip", ["netns", "delete", netns]);
    }
  });
else
  describe("kubelet", () => {
    let node: NodeFixture;

    before(async () => {
      node = await startNodeFixture();
      for (const name of [namespace, "kube-node-lease"]) await node.client.create(namespaces, { metadata: { name } });
      await node.client.create(serviceAccounts, { metadata: { name: "default", namespace } });
      await node.client.create(configMaps, {
        metadata: { name: "kube-root-ca.crt", namespace },
        data: { "ca.crt": node.authority.certificate },
      });
      await node.startKubelet();
    });
    after(() => node.stop());

    const create = async (name: string, spec: Partial<KubeletPodSpec> & Pick<KubeletPodSpec, "containers">): Promise<KubeletPod> =>
      (await node.client.create(pods, {
        metadata: { name, namespace },
        spec: { nodeName, terminationGracePeriodSeconds: 1, ...spec },
      } as KubeletPod)) as KubeletPod;
    const get = async (name: string): Promise<KubeletPod> => (await node.client.get(pods, { namespace, name })) as KubeletPod;
    const podUntil = (name: string, holds: (pod: KubeletPod) => boolean): Promise<KubeletPod> =>
      until(`pod ${name}`, () => get(name), holds);
    const remove = async (name: string, gracePeriodSeconds?: number): Promise<void> => {
      await node.client.delete(pods, { namespace, name }, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds });
      await until(
        `${name} gone`,
        () => get(name).then(() => false, isNotFound),
        (gone) => gone,
      );
    };
    const isReady = (pod: KubeletPod): boolean => condition(pod, "Ready")?.status === "True";
    const eventOf = (name: string, reason: string): Promise<string> =>
      until(
        `event ${reason} of ${name}`,
        async () => {
          const { items } = await node.client.list(events, { namespace });
          return items.find((event) => event.involvedObject?.name === name && event.reason === reason)?.message ?? "";
        },
        (message) => message !== "",
      );

    test("registers its node with addresses, capacity and conditions, and renews its lease", async () => {
      const registered = await until(
        "node",
        () => node.client.get(nodes, { name: nodeName }).catch(() => undefined),
        (found) => {
          return found?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
        },
      );
      assert.equal(registered?.metadata.labels?.["kubernetes.io/hostname"], nodeName);
      assert.deepEqual(registered?.status?.addresses, [
        ...nodeAddresses.map((address) => ({ type: "InternalIP", address })),
        { type: "Hostname", address: nodeName },
      ]);
      const lease = await until(
        "lease",
        () => node.client.get(leases, { namespace: "kube-node-lease", name: nodeName }).catch(() => undefined),
        Boolean,
      );
      assert.equal(lease?.spec?.holderIdentity, nodeName);
    });

    test("runs a pod of both families with env, volumes, probes and init containers; its status is a stock kubelet's", async () => {
      await node.client.create(configMaps, { metadata: { name: "settings", namespace }, data: { greeting: "hello" } });
      await node.client.create(secrets, {
        metadata: { name: "hidden", namespace },
        data: { word: Buffer.from("sesame").toString("base64") },
      });
      const script =
        'set -e; echo "$GREETING $WORD $POD $IPS"; cat /config/greeting /work/from-init; hostname; cut -c1-3 $TOKENS/token; cat $TOKENS/namespace; echo; exec /agnhost netexec --http-port=8080 --udp-port=-1';
      await create("full", {
        initContainers: [
          {
            name: "prepare",
            image: "busybox:1.36",
            command: ["sh", "-c", "echo prepared > /work/from-init"],
            volumeMounts: [{ name: "work", mountPath: "/work" }],
          },
        ],
        containers: [
          {
            name: "main",
            image: "registry.k8s.io/e2e-test-images/agnhost:9.99",
            command: ["sh", "-c", script],
            env: [
              { name: "TOKENS", value: "/var/run/secrets/kubernetes.io/serviceaccount" },
              { name: "WORD", valueFrom: { secretKeyRef: { name: "hidden", key: "word" } } },
              { name: "GREETING", value: "$(WORD)-$$x" },
              { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              { name: "IPS", valueFrom: { fieldRef: { fieldPath: "status.podIPs" } } },
            ],
            ports: [{ name: "web", containerPort: 8080 }],
            readinessProbe: { httpGet: { path: "/healthz", port: "web" }, periodSeconds: 1 },
            volumeMounts: [
              { name: "work", mountPath: "/work" },
              { name: "config", mountPath: "/config", readOnly: true },
            ],
          },
        ],
        volumes: [
          { name: "work", emptyDir: {} },
          { name: "config", configMap: { name: "settings" } },
        ],
      });
      const pod = await podUntil("full", isReady);
      const ips = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
      assert.equal(ips.length, 2);
      assert.match(ips[0] ?? "", /^10\.99\.0\./);
      assert.match(ips[1] ?? "", /^fd00:99::/);
      assert.equal(pod.status?.podIP, ips[0]);
      assert.deepEqual(
        pod.status?.hostIPs,
        nodeAddresses.map((ip) => ({ ip })),
      );
      assert.equal(pod.status?.phase, "Running");
      const [status] = pod.status?.containerStatuses ?? [];
      assert.equal(status?.ready, true);
      assert.equal(status?.started, true);
      assert.equal(status?.restartCount, 0);
      assert.match(status?.containerID ?? "", /^containerd:\/\/[0-9a-f]{64}$/);
      assert.match(status?.imageID ?? "", /^sha256:/);
      assert.ok(status !== undefined && "running" in status.state);
      for (const type of ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"])
        assert.equal(condition(pod, type)?.status, "True", type);
      const log = await kubeletGet(`/containerLogs/${namespace}/full/main`);
      assert.match(log.text, new RegExp(`^sesame-\\$x sesame full ${ips.join(",")}\nhelloprepared\nfull\neyJ\ndefault\n`));
      for (const reason of ["Pulled", "Created", "Started"]) await eventOf("full", reason);
      await remove("full");
      await logsGone();
    });

    test("restarts what fails, later each time, and says so; the log of the run before stays readable", async () => {
      await create("crash", { containers: [{ name: "main", image: "busybox", command: ["sh", "-c", "echo run; exit 3"] }] });
      const pod = await podUntil("crash", ({ status }) => {
        const [container] = status?.containerStatuses ?? [];
        return container !== undefined && "waiting" in container.state && container.state.waiting.reason === "CrashLoopBackOff";
      });
      const [status] = pod.status?.containerStatuses ?? [];
      assert.equal(status?.restartCount, 1);
      assert.equal(pod.status?.phase, "Running");
      assert.ok(status !== undefined && "terminated" in status.lastState && status.lastState.terminated.exitCode === 3);
      assert.equal(condition(pod, "Ready")?.reason, "ContainersNotReady");
      assert.match(await eventOf("crash", "BackOff"), /Back-off restarting failed container main/);
      assert.equal((await kubeletGet(`/containerLogs/${namespace}/crash/main?previous=true`)).text, "run\n");
      await remove("crash");
    });

    test("a pod that ends by itself stays, with its exit code, last words and log", async () => {
      const command = ["sh", "-c", "echo last words > /dev/termination-log; seq 3"];
      await create("once", { restartPolicy: "Never", containers: [{ name: "main", image: "busybox", command }] });
      const pod = await podUntil("once", ({ status }) => status?.phase === "Succeeded");
      const [status] = pod.status?.containerStatuses ?? [];
      assert.ok(status !== undefined && "terminated" in status.state);
      assert.equal(status.state.terminated.reason, "Completed");
      assert.equal(status.state.terminated.message, "last words\n");
      assert.equal(condition(pod, "Ready")?.reason, "PodCompleted");
      assert.equal((await kubeletGet(`/containerLogs/${namespace}/once/main?tailLines=2`)).text, "2\n3\n");
      assert.equal((await kubeletGet(`/containerLogs/${namespace}/once/main?limitBytes=3`)).text, "1\n2");
      await remove("once");
    });

    test("a failing liveness probe restarts the container; a failing readiness probe makes it unready", async () => {
      await create("sick", {
        containers: [
          {
            name: "main",
            image: "busybox",
            command: ["sh", "-c", "touch /alive /ready; sleep 1000"],
            livenessProbe: { exec: { command: ["test", "-e", "/alive"] }, periodSeconds: 1, failureThreshold: 1 },
            readinessProbe: { exec: { command: ["test", "-e", "/ready"] }, periodSeconds: 1, failureThreshold: 1 },
          },
        ],
      });
      await podUntil("sick", isReady);
      assert.equal((await exec("sick", "main", ["rm", "/ready"])).code, 0);
      await podUntil("sick", (pod) => !isReady(pod));
      await exec("sick", "main", ["rm", "/alive"]);
      await podUntil("sick", ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1);
      assert.match(await eventOf("sick", "Unhealthy"), /probe failed/);
      await remove("sick", 0);
    });

    test("what is missing is told: image, ConfigMap, kind of volume, network", async () => {
      await create("no-image", { containers: [{ name: "main", image: "example.org/nowhere:1" }] });
      await podUntil("no-image", ({ status }) => {
        const [container] = status?.containerStatuses ?? [];
        return container !== undefined && "waiting" in container.state && container.state.waiting.reason === "ErrImageNeverPull";
      });
      assert.match(await eventOf("no-image", "ErrImageNeverPull"), /example.org\/nowhere:1.*antctl lab image load FILE/);
      await create("no-config", {
        containers: [
          {
            name: "main",
            image: "busybox",
            command: ["sleep", "1000"],
            env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "later", key: "a" } } }],
          },
        ],
      });
      assert.match(await eventOf("no-config", "Failed"), /configmap "later" not found/);
      await node.client.create(configMaps, { metadata: { name: "later", namespace }, data: { a: "b" } });
      await podUntil("no-config", isReady);
      node.breakNetwork(true);
      await create("no-network", { containers: [{ name: "main", image: "busybox", command: ["sleep", "1000"] }] });
      assert.match(await eventOf("no-network", "FailedCreatePodSandBox"), /broken on purpose/);
      node.breakNetwork(false);
      await podUntil("no-network", isReady);
      await Promise.all(["no-image", "no-config", "no-network"].map((name) => remove(name, 0)));
    });

    test("deletion waits for the container to end, sends SIGKILL after the grace, and leaves nothing in the runtime", async () => {
      await create("polite", {
        // Longer than the test waits for it to go.
        terminationGracePeriodSeconds: 3_600,
        containers: [
          {
            name: "main",
            image: "busybox",
            command: ["sh", "-c", "trap 'sleep 0.3; exit 0' TERM; touch /listens; while :; do sleep 0.1; done"],
            // The first process of a container does not get a signal that it has no handler for yet.
            readinessProbe: { exec: { command: ["test", "-e", "/listens"] }, periodSeconds: 1 },
          },
        ],
      });
      await create("stubborn", {
        containers: [{ name: "main", image: "busybox", command: ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"] }],
      });
      await Promise.all(["polite", "stubborn"].map((name) => podUntil(name, isReady)));
      await Promise.all(["polite", "stubborn"].map((name) => remove(name)));
      await eventOf("stubborn", "Killing");
      await until(
        "no cgroup of a pod",
        () => Promise.resolve(podFolders()),
        (found) => found.length === 0,
      );
    });

    test("exec passes streams and exit codes; strangers and unknown pods are refused", async () => {
      await create("shell", { containers: [{ name: "main", image: "busybox", command: ["sleep", "1000"] }] });
      await podUntil("shell", isReady);
      const { out, code } = await exec("shell", "main", ["sh", "-c", "echo to stdout; exit 5"]);
      assert.equal(out, "to stdout\n");
      assert.equal(code, 5);
      assert.equal((await kubeletGet("/pods", { anonymous: true })).status, 401);
      assert.equal((await kubeletGet(`/containerLogs/${namespace}/nobody/main`)).status, 404);
      assert.equal((await kubeletGet("/stats/summary")).status, 501);
      assert.match((await kubeletGet("/pods")).text, /"name":"shell"/);
    });

    test("tells a Prometheus of pods and containers, whom the cluster lets read metrics of nodes", async () => {
      const tokenOf = async (name: string): Promise<string> => {
        if (name !== "default") await node.client.create(serviceAccounts, { metadata: { name, namespace } });
        const review = { metadata: { namespace }, spec: { expirationSeconds: 600 } };
        const made = await node.client.create<KubeObject>(serviceAccounts, review as KubeObject, { name, subresource: "token" });
        return (made as unknown as { status: { token: string } }).status.token;
      };
      const token = await tokenOf("default");
      const { status, text } = await kubeletGet("/metrics", { token });
      assert.equal(status, 200);
      assert.match(text, /^kubelet_node_name\{node="node-1"\} 1$/m);
      // the pod "shell" of the test before runs, and nothing else
      for (const line of [
        "# TYPE kubelet_running_pods gauge\nkubelet_running_pods 1",
        'kubelet_running_containers{container_state="running"} 1',
        "# TYPE kubelet_pod_start_duration_seconds histogram",
      ])
        assert.ok(text.includes(`${line}\n`), `${line} in ${text}`);
      const started = Number(/^kubelet_pod_start_duration_seconds_count (\d+)$/m.exec(text)?.[1]);
      assert.ok(started > 1, `${started} pods have started`);
      const used = (await kubeletGet("/metrics/resource", { token })).text;
      assert.match(used, /^container_cpu_usage_seconds_total\{container="main",namespace="default",pod="shell"\} [\d.e-]+$/m);
      assert.match(used, /^container_memory_working_set_bytes\{container="main",namespace="default",pod="shell"\} [1-9]\d*$/m);
      assert.equal((await kubeletGet("/metrics")).status, 200);
      assert.equal((await kubeletGet("/metrics", { anonymous: true })).status, 401);
      assert.equal((await kubeletGet("/metrics", { token: "forged" })).status, 401);
      assert.equal((await kubeletGet("/metrics", { token: await tokenOf("stranger") })).status, 403);
      // a token opens nothing else
      assert.equal((await kubeletGet("/pods", { token })).status, 401);
    });

    test("a killed containerd comes back under the same containers, and the kubelet with it", async () => {
      const before = await get("shell");
      await node.restartContainerd();
      await until(
        "exec",
        () => exec("shell", "main", ["true"]).catch(() => ({ code: -1 })),
        ({ code }) => code === 0,
      );
      await create("next", { restartPolicy: "Never", containers: [{ name: "main", image: "busybox", command: ["true"] }] });
      await podUntil("next", ({ status }) => status?.phase === "Succeeded");
      assert.deepEqual((await get("shell")).status, before.status);
      await remove("next", 0);
    });

    test("a killed kubelet comes back to the same containers, ready all the while", async () => {
      const before = await get("shell");
      await node.killKubelet();
      await node.client.delete(pods, {
        namespace,
        name: (await create("short", { containers: [{ name: "main", image: "busybox" }] })).metadata.name ?? "",
      });
      await node.startKubelet();
      await until(
        "short gone",
        () => get("short").then(() => false, isNotFound),
        (gone) => gone,
      );
      const pod = await get("shell");
      assert.equal(isReady(pod), true);
      assert.deepEqual(pod.status?.containerStatuses, before.status?.containerStatuses);
      assert.equal(condition(pod, "Ready")?.lastTransitionTime, condition(before, "Ready")?.lastTransitionTime);
      await remove("shell", 0);
    });

    test("a pod that was deleted behind the kubelet's back is cleaned up", async () => {
      await create("orphan", { containers: [{ name: "main", image: "busybox", command: ["sleep", "1000"] }] });
      await podUntil("orphan", isReady);
      await node.killKubelet();
      await node.client.delete(pods, { namespace, name: "orphan" }, { gracePeriodSeconds: 0 });
      await node.startKubelet();
      await until(
        "no pod left",
        () => Promise.resolve(podFolders()),
        (found) => found.length === 0,
      );
      await logsGone();
    });

    const logsGone = (): Promise<string[]> =>
      until(
        "no logs",
        () => Promise.resolve(readdirSync(`${node.directory}/pod-logs`)),
        (found) => found.length === 0,
      );
    const podFolders = (): string[] => readdirSync(`${node.directory}/kubelet/pods`);

    const kubeletGet = (path: string, { anonymous = false, token = "" } = {}): Promise<{ status: number; text: string }> =>
      new Promise((resolve, reject) => {
        const { certificate: cert, key } = node.apiServerClient;
        const identity = anonymous || token !== "" ? {} : { cert, key };
        const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
        const sent = request(
          { host: "127.0.0.1", port: node.port, path, ca: node.authority.certificate, agent: false, headers, ...identity },
          (answer) => {
            let text = "";
            answer.setEncoding("utf8").on("data", (chunk: string) => {
              text += chunk;
            });
            answer.once("end", () => resolve({ status: answer.statusCode ?? 0, text }));
          },
        );
        sent.once("error", reject);
        sent.end();
      });

    /** Exec as kubectl does over WebSocket: channel 1 is standard output, channel 3 the status (subprotocol v4.channel.k8s.io). */
    const exec = (pod: string, container: string, command: readonly string[]): Promise<{ out: string; code: number }> =>
      new Promise((resolve, reject) => {
        const query = new URLSearchParams([["output", "1"], ...command.map((word) => ["command", word])]);
        const { certificate: cert, key } = node.apiServerClient;
        const url = `wss://127.0.0.1:${node.port}/exec/${namespace}/${pod}/${container}?${query}`;
        const socket = new WebSocket(url, ["v4.channel.k8s.io"], { cert, key, ca: node.authority.certificate });
        let out = "";
        let code = -1;
        socket.on("message", (message: Buffer) => {
          if (message[0] === 1) out += message.toString("utf8", 1);
          if (message[0] === 3) {
            const status = JSON.parse(message.toString("utf8", 1));
            code = status.status === "Success" ? 0 : Number(status.details?.causes?.[0]?.message ?? -1);
          }
        });
        socket.once("close", () => resolve({ out, code }));
        socket.once("error", reject);
      });
  });

const condition = (pod: KubeletPod, wanted: string) => pod.status?.conditions?.find(({ type }) => type === wanted);

async function until<T>(what: string, look: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  const deadline = systemClock.monotonic() + amplePatience;
  for (;;) {
    const found = await look();
    if (holds(found)) return found;
    if (systemClock.monotonic() > deadline) assert.fail(`${what}: given up; last seen: ${JSON.stringify(found, undefined, 1)}`);
    await sleep(systemClock, milliseconds(30));
  }
}
