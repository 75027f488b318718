import { CodedError } from "#lib/runtime/errors.ts";

/** A read past the end of the input. Decoders catch it once, at their own door, and return it as their own kind of failure. */
export class OutOfBytes extends CodedError {
  constructor(wanted: number, left: number) {
    super("OUT_OF_BYTES", `needs ${wanted} bytes, ${left} left`);
  }
}
