import { CodedError } from "#lib/runtime/errors.ts";

/** The process was asked to end: the reason of its signal. */
export class Stopped extends CodedError {
  constructor() {
    super("STOPPED", "stopped");
  }
}
