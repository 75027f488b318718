import { connect } from "node:net";
import { type CniReply, type CniRequest, decodeReply, encodeMessage, requestForm } from "#lib/cni/index.ts";

/** A request as containerd's, of CNI 1.0.0. `config` adds to the network configuration. */
export function cniRequest(command: string, change: Partial<Omit<CniRequest, "config">> & { readonly config?: object } = {}): CniRequest {
  const { config, ...parameters } = change;
  return {
    form: requestForm,
    command,
    containerId: "c1",
    netns: "",
    ifname: "eth0",
    args: "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0",
    path: "/opt/cni/bin",
    ...parameters,
    config: JSON.stringify({ cniVersion: "1.0.0", name: "antrea", type: "antrea", ipam: { type: "host-local" }, ...config }),
  };
}

/** Sends `text` as it is and gives what comes back until the agent closes. */
export function exchange(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    socket.on("error", reject);
    socket.on("end", () => resolve(answer));
    socket.write(text);
  });
}

export async function ask(path: string, request: CniRequest): Promise<CniReply> {
  const reply = decodeReply(await exchange(path, encodeMessage(request)));
  if (!reply.ok) throw new Error(reply.reason);
  return reply.value;
}
