import { CodedError } from "#lib/runtime/errors.ts";

/** Numbers of the CNI specification below 100, those of Antrea's plugin from 100 on. */
export const cniErrorCodes = {
  unknown: 0,
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidConfig: 7,
  tryAgainLater: 11,
  notAvailable: 50,
  ipamFailure: 101,
  interfaceFailure: 102,
  checkFailure: 103,
  unknownRpc: 201,
  incompatibleApi: 202,
} as const;
export type CniErrorName = keyof typeof cniErrorCodes;

/** A failure that the container runtime is told: a number it may act on and one line that names the field or object. */
export class CniError extends CodedError {
  readonly number: number;
  readonly details: string;

  constructor(name: CniErrorName, message: string, options: { readonly details?: string; readonly cause?: unknown } = {}) {
    super(`CNI_${cniErrorCodes[name]}`, message, { cause: options.cause });
    this.number = cniErrorCodes[name];
    this.details = options.details ?? "";
  }
}

/** What goes to standard output on failure (CNI specification, "Error"). */
export interface CniErrorText {
  readonly cniVersion: string;
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

export function errorText(
  cniVersion: string,
  error: { readonly number: number; readonly message: string; readonly details?: string },
): CniErrorText {
  const { number, message, details } = error;
  return { cniVersion, code: number, msg: message, ...(details ? { details } : {}) };
}
