import { CodedError } from "#lib/runtime/errors.ts";

/** Another agent listens there. */
export class SocketInUse extends CodedError {
  constructor(path: string) {
    super("CNI_SOCKET_IN_USE", `${path}: another antrea-agent listens on this socket; end it, or set cniSocket to another path`);
  }
}
