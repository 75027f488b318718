import { CodedError } from "#lib/runtime/errors.ts";

export class InvalidAddress extends CodedError {
  constructor(text: string) {
    super("INVALID_ADDRESS", `${JSON.stringify(text)} is not an IPv4 or IPv6 address`);
  }
}

export class InvalidPrefix extends CodedError {
  constructor(text: string) {
    super("INVALID_PREFIX", `${JSON.stringify(text)} is not an IPv4 or IPv6 prefix such as 10.0.0.0/8 or fd00::/64`);
  }
}

export class InvalidMac extends CodedError {
  constructor(text: string) {
    super("INVALID_MAC", `${JSON.stringify(text)} is not a MAC address such as 0a:00:00:00:00:01`);
  }
}
