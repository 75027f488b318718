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
