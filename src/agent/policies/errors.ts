import { CodedError } from "#lib/runtime/errors.ts";

/** The controller sent what cannot be read. The watch is started anew; what was enforced stays. */
export class UnreadableControllerEvent extends CodedError {
  constructor(resource: string, path: string, reason: string) {
    super("UNREADABLE_CONTROLLER_EVENT", `controller, ${resource}: ${path}: ${reason}`);
  }
}

/** A controller that has seen less of the cluster than what this agent enforces already: its policies would be a step back. */
export class OutdatedController extends CodedError {
  constructor(resource: string, input: string, seen: string, known: string) {
    super(
      "OUTDATED_CONTROLLER",
      `controller, ${resource}: has computed ${input} up to resourceVersion ${seen}, but ${known} is enforced already; another is tried`,
    );
  }
}

/** The snapshot of policies on disk is cut short or changed. It is not used. */
export class DamagedSnapshot extends CodedError {
  constructor(file: string, problem: string) {
    super("DAMAGED_SNAPSHOT", `${file}: ${problem}; policies come from the controller only`);
  }
}
