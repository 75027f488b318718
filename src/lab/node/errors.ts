import { CodedError } from "#lib/runtime/errors.ts";

export class ContainerdFailed extends CodedError {
  constructor(reason: string, log: string) {
    super("CONTAINERD_FAILED", `containerd did not start: ${reason}; its log: ${log}`);
  }
}

export class CleanupIncomplete extends CodedError {
  constructor(directory: string, pids: readonly number[]) {
    super("CLEANUP_INCOMPLETE", `${directory}: processes ${pids.join(", ")} do not end; end them by hand and clean up again`);
  }
}

/** The node is switched off, or about to be on: there is no cable to pull. */
export class NodeNotRunning extends CodedError {
  constructor(node: string, state: string) {
    super("NODE_NOT_RUNNING", `${node} is ${state}: partition and heal need a running node; antctl lab node start ${node} switches it on`);
  }
}
