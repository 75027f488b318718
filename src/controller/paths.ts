import { resolveFeatureGates, type Component, type FeatureGate } from "#core/api/feature-gates.ts";
import type { PolicyEngine } from "#core/policy/index.ts";
import { badRequest, StatusError } from "#lib/apiserver/errors.ts";
import { answerJson, answerText } from "#lib/apiserver/http/exchange.ts";
import type { PathExchange } from "#lib/apiserver/http/serve-path.ts";
import { flags, InvalidConfig, parseConfig } from "#lib/config-file/index.ts";
import { changeVerbosity } from "#lib/daemon/verbosity.ts";
import { configMaps, isNotFound, type KubeClient } from "#lib/kube/index.ts";
import { type ProfilePath, ProfileRefused } from "#lib/profiling/index.ts";
import type { Logger } from "#lib/runtime/index.ts";
import { queryEndpoint } from "./endpoint-query.ts";

export interface PathsOptions {
  readonly logger: Logger;
  readonly engine: PolicyEngine;
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly client: KubeClient;
  readonly featureGates: readonly FeatureGate[];
  /** Where the agents' configuration is, to tell their gates too; absent outside a deployment. */
  readonly configMap: { readonly namespace: string; readonly name: string } | undefined;
}

type Path = (exchange: PathExchange) => Promise<void> | void;

/** The controller's own paths beside its API groups, as antctl asks for them. */
export function controllerPaths({ logger, engine, ready, client, featureGates, configMap }: PathsOptions): Readonly<Record<string, Path>> {
  return {
    "/loglevel"(exchange) {
      const changed = changeVerbosity(logger, exchange.target.parameters.get("level"));
      if (!changed.ok) throw badRequest(changed.problem);
      answerJson(exchange, 200, String(changed.verbosity));
    },
    async "/featuregates"(exchange) {
      const agent = configMap === undefined ? [] : await agentGates(client, configMap);
      answerJson(exchange, 200, JSON.stringify([...agent, ...shown("controller", featureGates)]));
    },
    async "/endpoint"(exchange) {
      const { parameters } = exchange.target;
      const name = parameters.get("pod") ?? "";
      if (name === "") throw badRequest("pod must be provided");
      await ready(exchange.signal);
      const answer = queryEndpoint(engine, { namespace: parameters.get("namespace") ?? "", name });
      if (answer === undefined) throw new StatusError(404, "NotFound", "could not find any endpoints matching your selection");
      answerJson(exchange, 200, JSON.stringify(answer));
    },
  };
}

/** What developers ask: where processor time and memory go. */
export function profiling(paths: Readonly<Record<string, ProfilePath>>): Readonly<Record<string, Path>> {
  const served =
    (path: ProfilePath): Path =>
    async (exchange) => {
      try {
        const { body, contentType } = await path(exchange.target.parameters, exchange.signal);
        answerText(exchange, 200, body, contentType);
      } catch (error) {
        if (!(error instanceof ProfileRefused)) throw error;
        throw error.status === 400 ? badRequest(error.message) : new StatusError(error.status, "Conflict", error.message);
      }
    };
  return Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, served(path)]));
}

function shown(component: Component, gates: readonly FeatureGate[]) {
  return gates.map(({ name, enabled, stage }) => ({
    component,
    name,
    status: enabled ? "Enabled" : "Disabled",
    version: stage.toUpperCase(),
  }));
}

/** The agents' gates as their ConfigMap sets them; none when there is no such ConfigMap, or it cannot be read. */
async function agentGates(client: KubeClient, target: { readonly namespace: string; readonly name: string }) {
  const file = "antrea-agent.conf";
  try {
    const { data } = await client.get(configMaps, target);
    const keys = { featureGates: flags({ default: {}, doc: "" }) };
    const { values } = parseConfig(data?.[file] ?? "", { file, keys });
    return shown("agent", resolveFeatureGates({ component: "agent", configured: values.featureGates, file }).gates);
  } catch (error) {
    if (isNotFound(error) || error instanceof InvalidConfig) return [];
    throw error;
  }
}
