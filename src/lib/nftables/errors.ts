import { CodedError } from "#lib/runtime/errors.ts";

/** nft refused a transaction or could not be run; nothing of it took effect. */
export class NftFailed extends CodedError {
  constructor(what: string, reason: string) {
    super("NFT_FAILED", `nft ${what}: ${reason}`);
  }
}

/** nft printed what we cannot read: a version with another JSON schema. */
export class NftOutputUnreadable extends CodedError {
  constructor(what: string, reason: string) {
    super("NFT_OUTPUT", `nft ${what}: ${reason}; nftables 1.0 or newer is needed`);
  }
}
