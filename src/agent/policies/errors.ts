import type { Lack } from "#core/api/controlplane/index.ts";
import { CodedError } from "#lib/runtime/errors.ts";

/** The controller sent what cannot be read. The watch is started anew; what was enforced stays. */
export class UnreadableControllerEvent extends CodedError {
  constructor(resource: string, path: string, reason: string) {
    super("UNREADABLE_CONTROLLER_EVENT", `controller, ${resource}: ${path}: ${reason}`);
  }
}

/** A controller that has seen less of the cluster than what this agent enforces already: its policies would be a step back. */
export class OutdatedController extends CodedError {
  constructor({ input, seen, known }: Lack) {
    super("OUTDATED_CONTROLLER", `has computed ${input} up to resourceVersion ${seen}, but ${known} is enforced already; another is tried`);
  }
}

/** The one that is followed does not hear the Kubernetes API, and neither does this one: nothing would be won. */
export class CutOffController extends CodedError {
  constructor(since: string) {
    super("CUT_OFF_CONTROLLER", `does not hear the Kubernetes API since ${since}`);
  }
}

/** The controller ended a watch in order: it stops, or the watch's time is over. */
export class ControllerEnded extends CodedError {
  constructor(resource: string) {
    super("CONTROLLER_ENDED", `ended the watch of ${resource}`);
  }
}

/** More changes than are kept while a controller is not followed yet. It is asked anew. */
export class TooManyChanges extends CodedError {
  constructor(limit: number) {
    super("TOO_MANY_CHANGES", `more than ${limit} changes before it could be followed`);
  }
}

/** A controller that was not complete in time. */
export class ControllerTooSlow extends CodedError {
  constructor(limitMs: number) {
    super("CONTROLLER_TOO_SLOW", `not complete after ${limitMs / 1_000} s`);
  }
}

/** The snapshot of policies on disk is cut short or changed. It is not used. */
export class DamagedSnapshot extends CodedError {
  constructor(file: string, problem: string) {
    super("DAMAGED_SNAPSHOT", `${file}: ${problem}; policies come from the controller only`);
  }
}

/** What is enforced is more than a start would read. The one on disk stays as it is. */
export class SnapshotTooLarge extends CodedError {
  constructor({ size, atMost }: { readonly size: number; readonly atMost: number }) {
    super("SNAPSHOT_TOO_LARGE", `the snapshot of policies has ${size} bytes of at most ${atMost}`);
  }
}
