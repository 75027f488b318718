import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { KubeletConfig } from "./config.ts";
import type { KubeletPod } from "./pod.ts";
import { realizeVolumes } from "./volumes.ts";

const pod = (securityContext: NonNullable<KubeletPod["spec"]["securityContext"]>): KubeletPod => ({
  metadata: { name: "web", namespace: "shop", uid: "u" },
  spec: {
    containers: [],
    securityContext,
    volumes: [
      { name: "keys", secret: { secretName: "keys", defaultMode: 0o400 } },
      { name: "work", emptyDir: {} },
    ],
  },
});

test("files of volumes belong to the pod's group, which may read them; a folder to work in hands its group on", async (context) => {
  const rootDir = mkdtempSync(join(tmpdir(), "volumes-"));
  context.after(() => rmSync(rootDir, { recursive: true }));
  const look = async (one: KubeletPod): Promise<readonly (readonly [string, number])[]> => {
    const config = { rootDir, podLogsDir: rootDir } as KubeletConfig;
    const secret = (): Promise<ReadonlyMap<string, Buffer>> => Promise.resolve(new Map([["key", Buffer.from("s3cret")]]));
    const data = { configMap: () => Promise.resolve(undefined), secret };
    const places = await realizeVolumes(one, { fields: { config, pod: one, podIps: [] }, data, requestToken: () => Promise.resolve("") });
    return [join(places.get("keys") ?? "", "key"), places.get("work") ?? ""].map((path) => {
      const { mode, gid } = statSync(path);
      return [(mode & 0o7777).toString(8), gid];
    });
  };
  assert.deepEqual(await look(pod({})), [
    ["400", 0],
    ["777", 0],
  ]);
  rmSync(join(rootDir, "pods"), { recursive: true });
  assert.deepEqual(await look(pod({ fsGroup: 1001 })), [
    ["440", 1001],
    ["2777", 1001],
  ]);
});
