import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { errorMessage, fileProblem } from "#lib/runtime/errors.ts";
import { InvalidKubeconfig } from "./errors.ts";
import { execCredential, execToken, type ExecSection } from "./exec-credential.ts";

/** Everything needed to talk to one Kubernetes API as one user. */
export interface ClientConfig {
  /** `https://host:port`, without a trailing slash. */
  readonly server: string;
  /** PEM of the authorities that may sign the server's certificate; absent = the system's. */
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** What is in the files of certificate and key now, where the kubeconfig names files: certificates are renewed on disk. Throws when they can't be read. */
  readonly identity?: () => Identity;
  /** Asked anew for each request: tokens of Pods are rotated on disk. */
  readonly token?: () => string;
  /** The name to expect in the server's certificate, when it differs from the host of `server`. */
  readonly tlsServerName?: string;
  /** A Unix socket to connect to, instead of host and port of `server`. */
  readonly socketPath?: string;
  readonly insecureSkipTlsVerify?: boolean;
  /** Namespace of the context, or of the Pod. */
  readonly namespace?: string;
}

/** A client certificate and its key, both PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The configuration that a process in a Pod uses, or undefined outside one. */
export function inClusterConfig(environment: NodeJS.ProcessEnv = process.env, folder = serviceAccountFolder): ClientConfig | undefined {
  const host = environment.KUBERNETES_SERVICE_HOST;
  const port = environment.KUBERNETES_SERVICE_PORT;
  if (!host || !port || !existsSync(`${folder}/token`)) return undefined;
  const namespace = readIfPresent(`${folder}/namespace`);
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    ca: readFileSync(`${folder}/ca.crt`, "utf8"),
    token: () => readFileSync(`${folder}/token`, "utf8").trim(),
    ...(namespace === undefined ? {} : { namespace }),
  };
}

/** Reads a kubeconfig file (`v1.Config`): the current context, or `context`; runs its credential plugin, where it has one. Throws {@link InvalidKubeconfig} naming the field. */
export function loadKubeconfig(file: string, options: { readonly context?: string } = {}): ClientConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new InvalidKubeconfig(file, "cannot be read", fileProblem(error));
  }
  return parseKubeconfig(text, { file, ...options });
}

/** As {@link loadKubeconfig}, from text; `file` names it in errors and anchors relative paths. */
export function parseKubeconfig(text: string, { file, context }: { readonly file: string; readonly context?: string }): ClientConfig {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new InvalidKubeconfig(file, "is no kubeconfig", `not YAML: ${errorMessage(error).split("\n")[0]?.replace(/:$/, "")}`);
  }
  const root = asObject(document);
  const contextName = context ?? asText(root["current-context"]);
  if (!contextName) throw new InvalidKubeconfig(file, "current-context", "is not set: name a context");
  const chosen = named(root.contexts, contextName, "context");
  if (!chosen) throw new InvalidKubeconfig(file, "contexts", `none is named ${JSON.stringify(contextName)}`);
  const clusterName = asText(chosen.cluster);
  const cluster = named(root.clusters, clusterName, "cluster");
  if (!cluster) throw new InvalidKubeconfig(file, "clusters", `none is named ${JSON.stringify(clusterName)}`);
  const server = asText(cluster.server).replace(/\/+$/, "");
  if (!/^https?:\/\/[^/]+/.test(server))
    throw new InvalidKubeconfig(file, `clusters[${clusterName}].cluster.server`, `${JSON.stringify(server)} is not an http(s) URL`);
  const userName = asText(chosen.user);
  const user = named(root.users, userName, "user") ?? {};
  if (user["auth-provider"])
    throw new InvalidKubeconfig(
      file,
      `users[${userName}].user.auth-provider`,
      "is not supported, as in Kubernetes since 1.26: use exec, a token or a client certificate",
    );
  const material = (owner: Record<string, unknown>, field: string): string | undefined => {
    const inline = asText(owner[`${field}-data`]);
    if (inline) return Buffer.from(inline, "base64").toString("utf8");
    const path = asText(owner[field]);
    if (!path) return undefined;
    try {
      return readFileSync(resolve(dirname(file), path), "utf8");
    } catch (error) {
      throw new InvalidKubeconfig(file, field, errorMessage(error));
    }
  };
  const inFiles = ["client-certificate", "client-key"].every((field) => asText(user[field]) && !asText(user[`${field}-data`]));
  const read = (field: string): string => material(user, field) ?? "";
  const tokenFile = asText(user.tokenFile);
  const token = asText(user.token);
  const ca = material(cluster, "certificate-authority");
  const plugin = user.exec === undefined ? undefined : { file, user: userName, exec: execSection(asObject(user.exec), { server, ca }) };
  const credential = plugin === undefined ? {} : execCredential(plugin);
  const ofPlugin = plugin === undefined || credential.token === undefined ? undefined : execToken(plugin, credential);
  return withoutAbsent({
    server,
    ca,
    certificate: material(user, "client-certificate") ?? credential.certificate,
    key: material(user, "client-key") ?? credential.key,
    identity: inFiles ? () => ({ certificate: read("client-certificate"), key: read("client-key") }) : undefined,
    token: tokenFile ? () => readFileSync(resolve(dirname(file), tokenFile), "utf8").trim() : token ? () => token : ofPlugin,
    tlsServerName: asText(cluster["tls-server-name"]) || undefined,
    insecureSkipTlsVerify: cluster["insecure-skip-tls-verify"] === true ? true : undefined,
    namespace: asText(chosen.namespace) || undefined,
  });
}

function execSection(exec: Record<string, unknown>, cluster: { readonly server: string; readonly ca: string | undefined }): ExecSection {
  const { env } = exec;
  return {
    apiVersion: asText(exec.apiVersion),
    command: asText(exec.command),
    args: Array.isArray(exec.args) ? exec.args.map(String) : [],
    env: Object.fromEntries((Array.isArray(env) ? env.map(asObject) : []).map(({ name, value }) => [asText(name), asText(value)])),
    installHint: asText(exec.installHint),
    interactiveMode: asText(exec.interactiveMode),
    ...(exec.provideClusterInfo === true
      ? {
          cluster: {
            server: cluster.server,
            ...(cluster.ca === undefined ? {} : { "certificate-authority-data": Buffer.from(cluster.ca).toString("base64") }),
          },
        }
      : {}),
  };
}

function named(list: unknown, name: string, field: string): Record<string, unknown> | undefined {
  const entry = Array.isArray(list) ? list.map(asObject).find((item) => item.name === name) : undefined;
  return entry === undefined ? undefined : asObject(entry[field]);
}

const asObject = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
const asText = (value: unknown): string => (typeof value === "string" ? value : "");
const readIfPresent = (file: string): string | undefined => (existsSync(file) ? readFileSync(file, "utf8").trim() : undefined);

type Present<Fields> = { [Field in keyof Fields as undefined extends Fields[Field] ? never : Field]: Fields[Field] } & {
  [Field in keyof Fields as undefined extends Fields[Field] ? Field : never]?: Exclude<Fields[Field], undefined>;
};

function withoutAbsent<Fields extends object>(fields: Fields): Present<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<Fields>;
}
