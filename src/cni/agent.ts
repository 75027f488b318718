import { connect } from "node:net";
import { CniError } from "#lib/cni/errors.ts";
import { type CniReply, type CniRequest, decodeReply, encodeMessage, largestMessageBytes } from "#lib/cni/message.ts";

/** The agent's own waits end well before; this one is for an agent that stands still. Milliseconds. */
const answerTimeoutMs = 110_000;

/** Hands one request to the agent. Rejects with CniError: 11 when no agent is there, 201 when it breaks off or talks nonsense. */
export function askAgent(path: string, request: CniRequest): Promise<CniReply> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer = "";
    let connected = false;
    socket.setEncoding("utf8");
    socket.setTimeout(answerTimeoutMs, () => fail(new CniError("tryAgainLater", `antrea-agent at ${path} did not answer in time`)));
    const fail = (error: CniError): void => {
      socket.destroy();
      reject(error);
    };
    socket.on("connect", () => {
      connected = true;
      socket.write(encodeMessage(request));
    });
    socket.on("data", (chunk: string) => {
      answer += chunk;
      if (answer.length > largestMessageBytes) fail(new CniError("unknownRpc", `antrea-agent at ${path}: its answer is too long`));
    });
    socket.on("error", (error) => {
      if (connected) fail(new CniError("unknownRpc", `antrea-agent at ${path}: ${error.message}`));
      else fail(new CniError("tryAgainLater", `antrea-agent is not reachable at ${path}: ${error.message}; is it running on this node?`));
    });
    socket.on("end", () => {
      const reply = decodeReply(answer);
      if (reply.ok) resolve(reply.value);
      else fail(new CniError("unknownRpc", `antrea-agent at ${path} broke off: ${reply.reason}`));
    });
  });
}
