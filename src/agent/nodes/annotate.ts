import type { MacAddress } from "#lib/ip/index.ts";
import { type KubeClient, type Node, nodes } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, retryUntilDone } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import { macAddressAnnotation, transportAddressesAnnotation } from "./nodes.ts";
import type { Transport } from "./transport.ts";

/** Keeps the Node's annotations about this agent right, also when somebody removes them. Stops when `signal` aborts. */
export function keepNodeAnnotations(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly table: ReadTable<Node>;
  readonly node: string;
  readonly gatewayMac: MacAddress;
  readonly transport: Transport;
  readonly signal: AbortSignal;
}): void {
  const { runtime, client, table, node, signal } = options;
  const wanted: Readonly<Record<string, string | undefined>> = {
    [macAddressAnnotation]: options.gatewayMac.toString(),
    [transportAddressesAnnotation]: options.transport.announced ? options.transport.addresses.join(",") : undefined,
  };
  let writing = false;
  const settle = (): void => {
    const present = table.get(node);
    if (present === undefined || writing || signal.aborted) return;
    const wrong = Object.entries(wanted).filter(([key, value]) => present.metadata.annotations?.[key] !== value);
    if (wrong.length === 0) return;
    writing = true;
    const annotations = Object.fromEntries(wrong.map(([key, value]) => [key, value ?? null]));
    retryUntilDone(runtime, () => client.patch(nodes, { name: node }, { metadata: { annotations } }), {
      signal,
      onFailure: (error) => runtime.logger.warn("cannot annotate the Node", { node, error: errorMessage(error) }),
    })
      .catch(() => {})
      .finally(() => {
        writing = false;
      });
  };
  const unsubscribe = table.subscribe(({ key }) => key === node && settle());
  signal.addEventListener("abort", unsubscribe, { once: true });
  settle();
}
