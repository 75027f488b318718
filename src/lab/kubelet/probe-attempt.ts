import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { type CriClient, isUnavailable } from "#lib/cri/index.ts";
import { deadline } from "#lib/runtime/deadline.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { KubeletContainer, KubeletProbe } from "./pod.ts";

/** One try of a probe. `undefined` as outcome: it could not be tried, which counts neither way. */
export interface ProbeResult {
  readonly outcome: "success" | "failure" | undefined;
  readonly message: string;
  /** Somebody answered, though not as a probe wants it. */
  readonly answered?: boolean;
}

export interface ProbeTarget {
  readonly container: KubeletContainer;
  readonly containerId: string;
  /** Where network probes go when the probe names no host: the pod's first address, or the node's for host-network pods. */
  readonly address: string;
}

/** Bytes of an answer or of a command's output that a message shows. */
const shownBytes = 1_024;

const success: ProbeResult = { outcome: "success", message: "" };
const failure = (message: string): ProbeResult => ({ outcome: "failure", message });

/** Tries a probe once, from the node's own network stack. Never throws. */
export async function tryProbe(cri: CriClient, probe: KubeletProbe, target: ProbeTarget): Promise<ProbeResult> {
  const timeoutSeconds = probe.timeoutSeconds ?? 1;
  if (probe.exec !== undefined) return tryExec(cri, probe.exec.command ?? [], target, timeoutSeconds);
  if (probe.httpGet !== undefined) return tryHttp(probe.httpGet, target, timeoutSeconds);
  if (probe.tcpSocket !== undefined) return tryTcp(probe.tcpSocket, target, timeoutSeconds);
  return success;
}

async function tryExec(cri: CriClient, command: readonly string[], target: ProbeTarget, timeoutSeconds: number): Promise<ProbeResult> {
  try {
    const { exitCode, stdout, stderr } = await cri.execSync({
      containerId: target.containerId,
      cmd: command,
      timeout: BigInt(timeoutSeconds),
    });
    if (exitCode === 0) return success;
    return failure(Buffer.concat([stdout, stderr]).toString("utf8").trim().slice(0, shownBytes));
  } catch (error) {
    return isUnavailable(error) ? { outcome: undefined, message: errorMessage(error) } : failure(errorMessage(error));
  }
}

function tryHttp(get: NonNullable<KubeletProbe["httpGet"]>, target: ProbeTarget, timeoutSeconds: number): Promise<ProbeResult> {
  const secure = get.scheme === "HTTPS";
  const host = get.host ?? target.address;
  const port = portNumber(get.port, target.container);
  if (port === undefined) return Promise.resolve(failure(`couldn't find port ${JSON.stringify(get.port)}`));
  const path = get.path?.startsWith("/") ? get.path : `/${get.path ?? ""}`;
  const url = `${secure ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`;
  const headers = {
    "user-agent": "kube-probe/lab",
    accept: "*/*",
    connection: "close",
    ...Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value])),
  };
  return new Promise((resolve) => {
    const send = secure ? httpsRequest : httpRequest;
    const request = send({ host, port, path, headers, method: "GET", agent: false, ...(secure ? { rejectUnauthorized: false } : {}) });
    const waiting = deadline(seconds(timeoutSeconds), () =>
      request.destroy(new Error("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")),
    );
    request.once("response", (response) => {
      waiting.cancel();
      const status = response.statusCode ?? 0;
      response.resume();
      // any answer from 200 up to 399 is a success, redirects included
      resolve(status >= 200 && status < 400 ? success : { ...failure(`HTTP probe failed with statuscode: ${status}`), answered: true });
      request.destroy();
    });
    request.once("error", (error) => {
      waiting.cancel();
      resolve(failure(`Get ${JSON.stringify(url)}: ${error.message}`));
    });
    request.end();
  });
}

function tryTcp(probe: NonNullable<KubeletProbe["tcpSocket"]>, target: ProbeTarget, timeoutSeconds: number): Promise<ProbeResult> {
  const port = portNumber(probe.port, target.container);
  if (port === undefined) return Promise.resolve(failure(`couldn't find port ${JSON.stringify(probe.port)}`));
  const host = probe.host ?? target.address;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const waiting = deadline(seconds(timeoutSeconds), () => socket.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)));
    socket.once("connect", () => {
      waiting.cancel();
      socket.destroy();
      resolve(success);
    });
    socket.once("error", (error) => {
      waiting.cancel();
      resolve(failure(error.message));
    });
  });
}

function portNumber(port: number | string, container: KubeletContainer): number | undefined {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  return named ?? (/^\d+$/.test(port) ? Number(port) : undefined);
}
