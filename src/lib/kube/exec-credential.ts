import { execFileSync } from "node:child_process";
import { dirname, resolve } from "node:path";
import { errorCode, errorMessage } from "#lib/runtime/errors.ts";
import { InvalidKubeconfig } from "./errors.ts";

/** What a credential plugin gave (`ExecCredential.status` of client.authentication.k8s.io). */
export interface ExecCredential {
  readonly token?: string;
  /** PEM. */
  readonly certificate?: string;
  /** PEM. */
  readonly key?: string;
  /** Milliseconds since 1970; absent = as long as the process lives. */
  readonly expires?: number;
}

/** The `exec` section of a kubeconfig's user. */
export interface ExecSection {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly installHint: string;
  /** `Never`, `IfAvailable` or `Always`: whether the plugin may ask on the terminal. */
  readonly interactiveMode: string;
  /** The cluster as the plugin wants to know it (`provideClusterInfo`); absent = not at all. */
  readonly cluster?: Readonly<Record<string, unknown>>;
}

const apiVersions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
/** A plugin may ask a person to log in. */
const limitMs = 5 * 60_000;
/** A token and a chain of certificates are a few kB. */
const maxOutputBytes = 1024 * 1024;
/** A token is not used in its last seconds: the request it goes with takes time too. */
const beforeExpiryMs = 10_000;

interface Plugin {
  readonly file: string;
  readonly user: string;
  readonly exec: ExecSection;
}

/**
 * Runs a credential plugin to its end: nothing else happens in the process meanwhile, which suits command lines. No shell is involved. Throws
 * {@link InvalidKubeconfig} with the plugin's failure, or where to get it.
 */
export function execCredential({ file, user, exec }: Plugin): ExecCredential {
  const refuse = (problem: string): InvalidKubeconfig => new InvalidKubeconfig(file, `users[${user}].user.exec`, problem);
  const { apiVersion, command, args, env, installHint, interactiveMode, cluster } = exec;
  if (!apiVersions.includes(apiVersion)) throw refuse(`apiVersion ${JSON.stringify(apiVersion)} is none of ${apiVersions.join(", ")}`);
  const interactive = interactiveMode !== "Never" && process.stdin.isTTY;
  if (interactiveMode === "Always" && !interactive) throw refuse(`${command} wants to ask on a terminal, and there is none`);
  const info = { apiVersion, kind: "ExecCredential", spec: { interactive, ...(cluster === undefined ? {} : { cluster }) } };
  let output: string;
  try {
    output = execFileSync(command.includes("/") ? resolve(dirname(file), command) : command, args, {
      encoding: "utf8",
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      stdio: [interactive ? "inherit" : "ignore", "pipe", "inherit"],
      timeout: limitMs,
      maxBuffer: maxOutputBytes,
    });
  } catch (error) {
    if (errorCode(error) === "ENOENT") throw refuse(`there is no ${command}${installHint === "" ? "" : `: ${installHint.trim()}`}`);
    throw refuse(errorMessage(error).split("\n")[0] ?? "");
  }
  return credentialIn(output, (problem) => refuse(`${command} ${problem}`));
}

/** The plugin's token, asked for anew when it is about to expire. */
export function execToken(plugin: Plugin, first: ExecCredential, now: () => number = Date.now): () => string {
  let credential = first;
  return () => {
    if (credential.expires !== undefined && now() > credential.expires - beforeExpiryMs) credential = execCredential(plugin);
    return credential.token ?? "";
  };
}

function credentialIn(output: string, refuse: (problem: string) => Error): ExecCredential {
  const status = statusIn(output);
  if (status === undefined) throw refuse("printed no ExecCredential with a status");
  const textOf = (field: string): string | undefined => {
    const value = status[field];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const [token, certificate, key, expiration] = ["token", "clientCertificateData", "clientKeyData", "expirationTimestamp"].map(textOf);
  if (token === undefined && (certificate === undefined || key === undefined))
    throw refuse("gave neither a token nor a certificate with its key");
  const expires = expiration === undefined ? Number.NaN : Date.parse(expiration);
  return {
    ...(token === undefined ? {} : { token }),
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
    ...(Number.isNaN(expires) ? {} : { expires }),
  };
}

function statusIn(output: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const { status } = JSON.parse(output) as { readonly status?: unknown };
    return typeof status === "object" && status !== null ? (status as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
