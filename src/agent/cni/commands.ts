import {
  atLeast,
  CniError,
  type CniReply,
  type CniRequest,
  errorText,
  firstVersionOf,
  formatResult,
  implicitVersion,
  isCommand,
  isSupportedVersion,
  type NetworkConfig,
  parseNetworkConfig,
  parseParameters,
  requestForm,
  supportedVersions,
} from "#lib/cni/index.ts";
import { errorMessage } from "#lib/runtime/index.ts";
import { addPod } from "./add.ts";
import { adoptPod } from "./chained.ts";
import { checkPod } from "./check.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { OneAtATime } from "./one-at-a-time.ts";
import { removePod } from "./remove.ts";

/** Address management that the agent does itself, by the name under which configurations ask for it. */
const ownAddressManagement = "host-local";

/** Carries out one request. Never rejects: what goes wrong is the reply. */
export async function answer(cni: CniDependencies, serially: OneAtATime, request: CniRequest): Promise<CniReply> {
  const started = cni.runtime.clock.monotonic();
  const logger = cni.runtime.logger.with({ command: request.command, containerId: request.containerId });
  try {
    const result = await carryOut(cni, serially, request);
    logger.info("CNI request done", { ms: Math.round(cni.runtime.clock.monotonic() - started) });
    return { result };
  } catch (error) {
    const failure = error instanceof CniError ? error : new CniError("unknown", errorMessage(error), { cause: error });
    logger.warn("CNI request failed", { code: failure.number, error: failure.message });
    return { error: errorText(versionForError(request.config), failure) };
  }
}

async function carryOut(cni: CniDependencies, serially: OneAtATime, request: CniRequest): Promise<unknown> {
  const { command } = request;
  if (request.form !== requestForm) {
    throw new CniError(
      "incompatibleApi",
      `antrea-cni speaks form ${request.form}, this agent form ${requestForm}: install both of one version`,
    );
  }
  if (!isCommand(command)) throw new CniError("invalidEnvironment", `CNI_COMMAND is ${JSON.stringify(command)}: no such command`);
  const config = parseNetworkConfig(request.config);
  if (!atLeast(config.version, firstVersionOf(command))) {
    throw new CniError(
      "incompatibleVersion",
      `${command} exists since CNI ${firstVersionOf(command)}, the configuration is of ${config.version}`,
    );
  }
  switch (command) {
    case "ADD": {
      const parameters = parseParameters(request);
      if (cni.chained) {
        await serially(parameters.containerId, () => adoptPod(cni, { parameters, config }));
        return resultBefore(request.config);
      }
      refuseForeignAddresses(config);
      const result = await serially(parameters.containerId, () => addPod(cni, { parameters, config }));
      return formatResult(result, config.version);
    }
    case "DEL": {
      const parameters = parseParameters(request, { netnsOptional: true });
      await whenPortsKnown(cni);
      await serially(parameters.containerId, () => removePod(cni, parameters));
      return {};
    }
    case "CHECK": {
      const parameters = parseParameters(request);
      await whenPortsKnown(cni);
      await serially(parameters.containerId, () => checkPod(cni, { parameters, config }));
      return {};
    }
    case "VERSION":
      return { cniVersion: config.version, supportedVersions };
    case "STATUS":
      await whenPortsKnown(cni, "notAvailable");
      return {};
    case "GC":
      await whenPortsKnown(cni);
      await removeUnwanted(cni, serially, config);
      return {};
  }
}

/** What the plugin before ours said, word for word. */
function resultBefore(config: string): unknown {
  return (JSON.parse(config) as { readonly prevResult?: unknown }).prevResult;
}

function refuseForeignAddresses({ ipamType }: NetworkConfig): void {
  if (ipamType === ownAddressManagement) return;
  const reason = ipamType === "antrea" ? "addresses from IPPools are not there yet" : "no such address management here";
  throw new CniError(
    "unsupportedField",
    `network configuration: ipam.type is ${JSON.stringify(ipamType ?? "")}: ${reason}; use ${ownAddressManagement}`,
  );
}

/** A DEL that was answered before the database is known would leave the port for good. */
async function whenPortsKnown(cni: CniDependencies, code: "tryAgainLater" | "notAvailable" = "tryAgainLater"): Promise<void> {
  if (!cni.ports.available) throw new CniError(code, "the agent cannot reach Open vSwitch's database at the moment");
}

/** GC: the runtime lists what it still knows; our other attachments are leftovers. */
async function removeUnwanted(cni: CniDependencies, serially: OneAtATime, { validAttachments }: NetworkConfig): Promise<void> {
  if (validAttachments === undefined)
    throw new CniError("invalidConfig", "network configuration: cni.dev/valid-attachments is missing, which GC needs");
  const valid = new Set(validAttachments.map(({ containerId, ifname }) => `${containerId} ${ifname}`));
  for (const { containerId, podInterface } of cni.ports.all()) {
    if (!valid.has(`${containerId} ${podInterface}`))
      await serially(containerId, () => removePod(cni, { containerId, ifname: podInterface }));
  }
}

/** The version an error is told in: the configuration's where it has one. */
function versionForError(config: string): string {
  try {
    const version = (JSON.parse(config) as { readonly cniVersion?: unknown } | null)?.cniVersion;
    return typeof version === "string" && isSupportedVersion(version) ? version : implicitVersion;
  } catch {
    return implicitVersion;
  }
}
