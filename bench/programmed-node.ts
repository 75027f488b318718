import { createPacketNode, type PacketNode } from "../src/agent/flows/testing/packet-node.ts";
import { createFlowLedger } from "../src/core/pipeline/flow-ledger.ts";
import {
  compileGateway,
  compileLocalPort,
  compileRemoteNode,
  compileSkeleton,
  compileTunnel,
  createPipeline,
  type RemoteNode,
} from "../src/core/pipeline/index.ts";
import { createPolicyCompiler, type PolicyCompiler } from "../src/core/pipeline/policy/index.ts";
import { connectOpenFlow, type OpenFlowConnection } from "../src/lib/openflow/connection.ts";
import { testDatapath } from "../src/lib/openflow/testing/datapath.ts";
import { silentLogger, systemRuntime } from "../src/lib/runtime/index.ts";

/** A node with Open vSwitch and pods that are namespaces, whose policies a bench sets without any controller. */
export interface ProgrammedNode extends PacketNode {
  readonly compiler: PolicyCompiler;
  readonly connection: OpenFlowConnection;
  /** Makes the switch's flows what the compiler says now. Resolves with the number of flow-mods when all are in force. */
  apply(): Promise<number>;
  setRemoteNode(remote: RemoteNode): void;
  /** Flows that should be in the switch. */
  flowCount(): number;
  /** Everything that should be in the switch, once more: for a bench that put other flows there. */
  restore(): Promise<void>;
}

/** The flow-based tunnel port of a node, for those that have one. */
export const tunnelPort = 32_768;

/** Makes the node, with all pods open, hands it over, and removes it whatever happens. IPv4 and IPv6. Needs root. */
export async function withProgrammedNode<Result>(
  pods: readonly string[],
  use: (node: ProgrammedNode) => Promise<Result>,
  { subnet = 0 } = {},
): Promise<Result> {
  const node = await createPacketNode(`bench${subnet}`, pods, { subnet });
  try {
    const runtime = { ...systemRuntime(), logger: silentLogger };
    const pipeline = createPipeline({ datapath: testDatapath });
    const ledger = createFlowLedger();
    const compiler = createPolicyCompiler({ pipeline, ledger });
    ledger.set("skeleton", compileSkeleton(pipeline));
    ledger.set("gateway", compileGateway(pipeline, node.gateway));
    ledger.set("tunnel", compileTunnel(pipeline, { ofport: tunnelPort }));
    for (const { port } of node.pods) {
      ledger.set(port.interfaceName, compileLocalPort(pipeline, port));
      compiler.setPort(port);
    }
    const connection = await connectOpenFlow({ runtime, path: node.ovs.management("br0") });
    const apply = async (): Promise<number> => {
      compiler.compile();
      const { add, remove } = ledger.takeChange();
      const changes = [
        ...add.map((flow) => ({ command: "add" as const, flow })),
        ...remove.map((flow) => ({ command: "delete_strict" as const, flow })),
      ];
      await connection.change(changes);
      compiler.settle();
      return changes.length;
    };
    const setRemoteNode = (remote: RemoteNode): void =>
      ledger.set(remote.name, compileRemoteNode(pipeline, remote, { ofport: tunnelPort }));
    const restore = async (): Promise<void> => {
      await node.ovs.ofctl("del-flows", "br0");
      await connection.change([...ledger.flows()].map(([, flow]) => ({ command: "add", flow })));
    };
    try {
      await apply();
      return await use({ ...node, compiler, connection, apply, setRemoteNode, flowCount: () => ledger.size, restore });
    } finally {
      connection.close();
    }
  } finally {
    await node.remove();
  }
}
