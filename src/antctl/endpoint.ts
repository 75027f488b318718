import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { type ClientConfig, createKubeClient, inClusterConfig, isNotFound, KubeApiError, loadKubeconfig } from "#lib/kube/index.ts";
import { errorMessage, fileProblem } from "#lib/runtime/errors.ts";
import type { ConnectionFlags } from "./connection-flags.ts";
import { EndpointFailed } from "./errors.ts";
import type { Mode } from "./mode.ts";
import { usersKubeconfig } from "./users-kubeconfig.ts";

/** Answers a path with what the component says, parsed if it is JSON. Throws {@link EndpointFailed}. */
export type Endpoint = (path: string, options?: { readonly method?: "GET" | "PUT" | "POST"; readonly body?: unknown }) => Promise<unknown>;

/** Whether what was asked for is not there. */
export const isMissing = (error: unknown): boolean => isNotFound(error) || (error instanceof EndpointFailed && error.status === 404);

const ports: Readonly<Record<"agent" | "controller", number>> = { agent: 10350, controller: 10349 };

export function endpointOf({
  mode,
  flags,
  environment,
}: {
  readonly mode: Mode;
  readonly flags: ConnectionFlags;
  readonly environment: NodeJS.ProcessEnv;
}): Endpoint {
  const endpoint = mode === "remote" ? clusterEndpoint(flags, environment) : podEndpoint(mode, flags, environment);
  return flags.verbose ? telling(endpoint) : endpoint;
}

/** Tells each request on standard error, with how it went. */
function telling(endpoint: Endpoint): Endpoint {
  return async (path, options) => {
    const started = performance.now();
    const tell = (outcome: string): void =>
      void process.stderr.write(`${options?.method ?? "GET"} ${path}: ${outcome} after ${Math.round(performance.now() - started)}ms\n`);
    try {
      const answer = await endpoint(path, options);
      tell("answered");
      return answer;
    } catch (error) {
      tell(errorMessage(error));
      throw error;
    }
  };
}

/** Over loopback with the Pod's own token. The certificate is the component's own and tells nothing, so it is not verified; nothing leaves the machine. */
function podEndpoint(mode: "agent" | "controller", flags: ConnectionFlags, environment: NodeJS.ProcessEnv): Endpoint {
  const tokenFile = join(environment.ANTREA_RUN_DIR ?? "/var/run/antrea", "apiserver", "loopback-client-token");
  const server = new URL(flags.server ?? `https://127.0.0.1:${ports[mode]}`);
  return (path, { method = "GET", body } = {}) =>
    new Promise((resolve, reject) => {
      let token: string;
      try {
        token = readFileSync(tokenFile, "utf8").trim();
      } catch (error) {
        return reject(new EndpointFailed(`antrea-${mode}`, `no token in ${tokenFile}: ${fileProblem(error)}; is it running?`));
      }
      const asking = request(
        {
          host: server.hostname,
          port: server.port || 443,
          path,
          method,
          rejectUnauthorized: false,
          headers: {
            authorization: `Bearer ${token}`,
            accept: "application/json",
            ...(body === undefined ? {} : { "content-type": "application/json" }),
          },
          ...(flags.timeout > 0 ? { signal: AbortSignal.timeout(flags.timeout) } : {}),
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            const { statusCode: status = 500 } = answer;
            if (status >= 400) reject(new EndpointFailed(`antrea-${mode}`, `${status}: ${failureText(text)}`, { status }));
            else resolve(parsed(text));
          });
        },
      );
      asking.once("error", (error) => reject(new EndpointFailed(`antrea-${mode} at ${server.host}`, errorMessage(error))));
      asking.end(body === undefined ? undefined : JSON.stringify(body));
    });
}

function clusterEndpoint(flags: ConnectionFlags, environment: NodeJS.ProcessEnv): Endpoint {
  const client = createKubeClient({ config: clusterConfig(flags, environment), userAgent: "antctl" });
  return async (path, { method = "GET", body } = {}) => {
    try {
      return await client.json({
        method,
        path,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(flags.timeout > 0 ? { signal: AbortSignal.timeout(flags.timeout) } : {}),
      });
    } catch (error) {
      // The API's own words name the object; which request it was says --verbose.
      if (error instanceof KubeApiError && error.status.message)
        throw new EndpointFailed("Kubernetes API", error.status.message, { status: error.httpStatus });
      throw error;
    } finally {
      client.close();
    }
  };
}

function clusterConfig(flags: ConnectionFlags, environment: NodeJS.ProcessEnv): ClientConfig {
  const file = flags.kubeconfig ?? environment.KUBECONFIG;
  const config = file ? loadKubeconfig(file) : (inClusterConfig(environment) ?? loadKubeconfig(usersKubeconfig(environment)));
  return flags.server ? { ...config, server: flags.server } : config;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text.trim();
  }
}

function failureText(text: string): string {
  const value = parsed(text);
  const message = (value as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : text.trim();
}
