import { CodedError } from "#lib/runtime/errors.ts";

/** A node gets no addresses for its pods: every block of `--pod-cidr` is taken. */
export class PodCidrsExhausted extends CodedError {
  constructor(cidr: string, blocks: number) {
    super(
      "POD_CIDRS_EXHAUSTED",
      `--pod-cidr ${cidr} has room for ${blocks} nodes and all are taken: delete nodes or give a shorter prefix`,
    );
  }
}
