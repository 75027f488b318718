import { CodedError } from "#lib/runtime/errors.ts";

/** The kernel or libc refused. `errno` is the name (`EEXIST`), `detail` the kernel's own words where it gave some (extended ack). */
export class NetlinkError extends CodedError {
  /** The call or request that failed. */
  readonly what: string;
  readonly errno: string;
  readonly detail: string | undefined;

  constructor(failure: { readonly what: string; readonly errno: string; readonly detail?: string | undefined }) {
    super("NETLINK", `${failure.what}: ${failure.errno}${failure.detail === undefined ? "" : ` (${failure.detail})`}`);
    this.what = failure.what;
    this.errno = failure.errno;
    this.detail = failure.detail;
  }
}

/** No such interface in the namespace that was asked. */
export class LinkNotFound extends CodedError {
  constructor(name: string) {
    super("LINK_NOT_FOUND", `interface ${name} does not exist in this network namespace`);
  }
}

/** The path is no network namespace, or went away. */
export class NamespaceNotFound extends CodedError {
  constructor(path: string, reason: string) {
    super("NAMESPACE_NOT_FOUND", `network namespace ${path} cannot be opened: ${reason}; is the container still there?`);
  }
}

/** What the kernel sent could not be read. */
export class MalformedNetlink extends CodedError {
  constructor(what: string, reason: string) {
    super("MALFORMED_NETLINK", `${what}: the kernel's answer could not be read: ${reason}`);
  }
}

/** The worker thread that owns the sockets ended, or was closed, with requests under way. */
export class NetlinkClosed extends CodedError {
  constructor(reason: string) {
    super("NETLINK_CLOSED", `netlink worker: ${reason}`);
  }
}

/** Whether `error` is the kernel's answer `errno`. */
export function isErrno(error: unknown, ...errnos: readonly string[]): boolean {
  return error instanceof NetlinkError && errnos.includes(error.errno);
}
