import { CniError } from "./errors.ts";
import type { CniRequest } from "./message.ts";

/** The checked CNI_* parameters of a request about one container. */
export interface CniParameters {
  readonly containerId: string;
  /** Empty when the runtime has none any more (DEL only). */
  readonly netns: string;
  readonly ifname: string;
  /** CNI_ARGS by key. */
  readonly args: ReadonlyMap<string, string>;
}

/** Bound of our own: Kubernetes' ids are 64 characters, and the value is stored in OVSDB. */
const longestContainerId = 253;
const longestInterfaceName = 15;

/** Throws {@link CniError} 4 naming the variable. A missing namespace is an error unless `netnsOptional`. */
export function parseParameters(request: CniRequest, options: { readonly netnsOptional?: boolean } = {}): CniParameters {
  const { containerId, netns, ifname } = request;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(containerId) || containerId.length > longestContainerId) {
    throw invalid("CNI_CONTAINERID", containerId, "letters, digits, _ . - of at most 253 characters");
  }
  if (ifname === "" || ifname.length > longestInterfaceName || /[\s/:]/.test(ifname) || ifname === "." || ifname === "..") {
    throw invalid("CNI_IFNAME", ifname, "an interface name of at most 15 characters");
  }
  if (netns === "" && !options.netnsOptional) throw invalid("CNI_NETNS", netns, "the path of a network namespace");
  if (netns !== "" && (!netns.startsWith("/") || netns.includes("\0"))) throw invalid("CNI_NETNS", netns, "an absolute path");
  return { containerId, netns, ifname, args: parseArgs(request.args) };
}

/** `KEY=VALUE;KEY=VALUE`. */
function parseArgs(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(";").filter((pair) => pair !== "");
  return new Map(
    pairs.map((pair) => {
      const equals = pair.indexOf("=");
      if (equals <= 0) throw invalid("CNI_ARGS", text, "KEY=VALUE pairs separated by semicolons");
      return [pair.slice(0, equals), pair.slice(equals + 1)] as const;
    }),
  );
}

function invalid(variable: string, value: string, wanted: string): CniError {
  return new CniError("invalidEnvironment", `${variable} is ${JSON.stringify(value)}: needs ${wanted}`);
}
