import { CniError } from "#lib/cni/errors.ts";
import { type CniReply, type CniRequest, decodeReply, encodeMessage, largestMessageBytes } from "#lib/cni/message.ts";
import { type ExchangeFailure, exchange } from "./exchange.ts";

/** The agent's own waits end well before; this one is for an agent that stands still. */
const answerTimeoutMs = 110_000;

/** Hands one request to the agent. Rejects with CniError: 11 when no agent is there, 201 when it breaks off or talks nonsense. */
export async function askAgent(path: string, request: CniRequest): Promise<CniReply> {
  const result = await exchange({ path, message: encodeMessage(request), maxAnswerBytes: largestMessageBytes, timeoutMs: answerTimeoutMs });
  if ("failure" in result) throw errorOf(path, result.failure);
  const reply = decodeReply(result.answer);
  if (!reply.ok) throw new CniError("unknownRpc", `antrea-agent at ${path} broke off: ${reply.reason}`);
  return reply.value;
}

function errorOf(path: string, failure: ExchangeFailure): CniError {
  switch (failure.kind) {
    case "unreachable":
      return new CniError("tryAgainLater", `antrea-agent is not reachable at ${path}: ${failure.reason}; is it running on this node?`);
    case "timeout":
      return new CniError("tryAgainLater", `antrea-agent at ${path} did not answer in time`);
    case "too-long":
      return new CniError("unknownRpc", `antrea-agent at ${path}: its answer is too long`);
    case "broken":
      return new CniError("unknownRpc", `antrea-agent at ${path}: ${failure.reason}`);
  }
}
