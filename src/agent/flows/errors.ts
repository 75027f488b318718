import { CodedError } from "#lib/runtime/errors.ts";

/** The switch does not take a flow that is needed. It is tried again in the background. */
export class FlowsRefused extends CodedError {
  constructor(flow: string, reason: string, count: number) {
    super("FLOWS_REFUSED", `the switch refused ${count === 1 ? "a flow" : `${count} flows, the first`}: ${reason}: ${flow}`);
  }
}
