import { CodedError } from "#lib/runtime/errors.ts";

/** A flag or a setting of the lab that cannot be. */
export class InvalidLabOption extends CodedError {
  constructor(option: string, value: string, problem: string) {
    super("INVALID_LAB_OPTION", `${option}: ${JSON.stringify(value)}: ${problem}`);
  }
}

/** A program of the lab refuses what it would be configured with. */
export class RefusedOptions extends CodedError {
  constructor(option: string, words: string) {
    super("REFUSED_OPTIONS", `${option}: ${words}`);
  }
}

/** The lab can't run on this machine as it is. */
export class LabRequirement extends CodedError {
  constructor(what: string, wayOut: string) {
    super("LAB_REQUIREMENT", `${what}: ${wayOut}`);
  }
}

/** No lab of that name runs. */
export class LabNotRunning extends CodedError {
  constructor(name: string) {
    super("LAB_NOT_RUNNING", `lab ${JSON.stringify(name)} is not running: start it with antctl lab up --name ${name}`);
  }
}

/** A lab of that name runs already. */
export class LabAlreadyRunning extends CodedError {
  constructor(name: string, pid: number) {
    super(
      "LAB_ALREADY_RUNNING",
      `lab ${JSON.stringify(name)} is running already (process ${pid}): use it, or end it with antctl lab down --name ${name}`,
    );
  }
}

/** One of the lab's processes did not come up. */
export class ProcessNotReady extends CodedError {
  constructor(name: string, problem: string, logFile: string) {
    super("PROCESS_NOT_READY", `${name}: ${problem}: its log is ${logFile}`);
  }
}

/** A tool of the system that the lab called said no. */
export class CommandFailed extends CodedError {
  readonly stderr: string;

  constructor(command: readonly string[], status: number | null, stderr: string) {
    super(
      "COMMAND_FAILED",
      `${command.join(" ")} ended with ${status ?? "a signal"}: ${stderr.trim().split("\n").slice(-3).join("; ") || "no words"}`,
    );
    this.stderr = stderr;
  }
}

/** The lab is up but some of its nodes do not become Ready. */
export class NodesNotReady extends CodedError {
  constructor(reasons: readonly string[], logs: string) {
    super("NODES_NOT_READY", `nodes do not become ready: ${reasons.join("; ")}: the logs are in ${logs}`);
  }
}

/** Somebody gave the start up, by Ctrl-C for instance. */
export class LabInterrupted extends CodedError {
  constructor(name: string) {
    super(
      "LAB_INTERRUPTED",
      `lab ${JSON.stringify(name)} was interrupted while it came up: everything of it is removed; start it again when you like`,
    );
  }
}

/** The cluster that nodes join does not sign a certificate for one of them. */
export class CertificateNotIssued extends CodedError {
  constructor(signer: string, problem: string) {
    super("CERTIFICATE_NOT_ISSUED", `signer kubernetes.io/${signer}: ${problem}`);
  }
}
