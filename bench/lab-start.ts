import type { Bench } from "./bench.ts";
import { pod, withLab } from "./lab.ts";

/** From nothing (images built and bundles made already) to the first ping from a pod to a pod on the other node. */
export const bench: Bench = {
  goals: { first_ping_s: 10, per_node_s: 2 },
  async run({ print }) {
    await firstPing(2);
    print("caches are warm; measuring");
    const two = await firstPing(2);
    print(`2 nodes: ${two.toFixed(2)} s`);
    const four = await firstPing(4);
    print(`4 nodes: ${four.toFixed(2)} s`);
    return { first_ping_s: two, per_node_s: (four - two) / 2 };
  },
};

async function firstPing(nodes: number): Promise<number> {
  const started = performance.now();
  return withLab({ nodes }, async (_lab, kubectl) => {
    const pods = Array.from({ length: nodes }, (_, index) =>
      pod(`p${index + 1}`, { node: `node-${index + 1}`, image: "busybox:1.36", command: ["sleep", "3600"] }),
    );
    await kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: pods }));
    await kubectl(["wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"]);
    const target = (await kubectl(["get", "pod", `p${nodes}`, "-o", "jsonpath={.status.podIP}"])).trim();
    await kubectl(["exec", "p1", "--", "ping", "-c", "1", "-W", "5", target]);
    return (performance.now() - started) / 1_000;
  });
}
