/** What a request is about, read from its method and path alone. */
export type Target = ResourceTarget | PathTarget;

interface Located {
  readonly path: string;
  readonly parameters: URLSearchParams;
  /** As RBAC names it: `get`, `list`, `watch`, …; for other paths the method in lower case. */
  readonly verb: string;
}

export interface ResourceTarget extends Located {
  readonly kind: "resource";
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** "" when the path names none. For a namespace itself, its own name. */
  readonly namespace: string;
  /** "" for the collection. */
  readonly name: string;
  /** "" for the object itself. */
  readonly subresource: string;
  /** What follows the subresource. */
  readonly rest: string;
}

/** Everything else: discovery, health, documents. */
export interface PathTarget extends Located {
  readonly kind: "path";
}

/** Undefined for a path that cannot be decoded. */
export function parseTarget(method: string, url: string): Target | undefined {
  const question = url.indexOf("?");
  const path = question < 0 ? url : url.slice(0, question);
  const parameters = new URLSearchParams(question < 0 ? "" : url.slice(question + 1));
  const segments = decodeSegments(path);
  if (segments === undefined) return undefined;
  const found = resourceOf(segments);
  if (found === undefined) return { kind: "path", path, parameters, verb: method.toLowerCase() };
  return { kind: "resource", path, parameters, verb: verbOf(method, found, parameters), ...found };
}

function decodeSegments(path: string): readonly string[] | undefined {
  try {
    return path
      .split("/")
      .filter((segment) => segment !== "")
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** Only these follow a namespace's own name; anything else is a kind inside it. */
const namespaceSubresources = new Set(["status", "finalize"]);

function resourceOf(segments: readonly string[]): Omit<ResourceTarget, "kind" | keyof Located> | undefined {
  const [root, ...afterRoot] = segments;
  if (root !== "api" && root !== "apis") return undefined;
  const [group = "", version = "", ...rest] = root === "api" ? ["", ...afterRoot] : afterRoot;
  const [first = "", second = "", third = ""] = rest;
  if (first === "") return undefined;
  const inNamespace = first === "namespaces" && third !== "" && !namespaceSubresources.has(third);
  const [resource = "", name = "", subresource = "", ...remaining] = inNamespace ? rest.slice(2) : rest;
  const namespace = inNamespace || (first === "namespaces" && root === "api") ? second : "";
  return { group, version, resource, namespace, name, subresource, rest: remaining.join("/") };
}

function verbOf(method: string, { name, subresource }: Pick<ResourceTarget, "name" | "subresource">, parameters: URLSearchParams): string {
  switch (method) {
    case "GET":
    case "HEAD":
      if (isTrue(parameters.get("watch")) && subresource === "") return "watch";
      return name === "" ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name === "" ? "deletecollection" : "delete";
    default:
      return method.toLowerCase();
  }
}

export const isTrue = (text: string | null): boolean => text === "true" || text === "1";
