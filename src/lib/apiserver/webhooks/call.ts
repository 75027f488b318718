import { Agent, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { errorMessage } from "#lib/runtime/errors.ts";
import { systemClock } from "#lib/runtime/clock.ts";
import { createEndpoints, firstAnswer } from "../proxy/first-answer.ts";
import { type Address, endpointsOf } from "../proxy/service-address.ts";
import type { Lookup } from "../resource.ts";

/** `admissionregistration.k8s.io/v1` and `apiextensions.k8s.io/v1 WebhookClientConfig`. */
export interface WebhookClientConfig {
  readonly url?: string;
  readonly service?: { readonly namespace: string; readonly name: string; readonly path?: string; readonly port?: number };
  /** Base64 of PEM; absent: the authorities of this machine. */
  readonly caBundle?: string;
}

/** Largest answer of a webhook: a list of converted objects, or a patch of one. */
const answerLimitBytes = 16 * 1024 * 1024;

/** Connections to webhooks are kept, as every write may ask them. */
const agent = new Agent({ keepAlive: true, maxSockets: 32 });

/** Real connections take real time, as their limits do. */
const clock = systemClock;
const endpoints = createEndpoints(clock);

/**
 * Asks a webhook, over TLS that is verified by its `caBundle`, and gives its answer as JSON. Where several
 * servers answer for its Service, one that fails or is slow costs little. Throws an Error whose message says why there is none.
 */
export async function callWebhook(
  lookup: Lookup,
  config: WebhookClientConfig,
  { review, timeoutMs }: { readonly review: object; readonly timeoutMs: number },
): Promise<unknown> {
  const targets = targetsOf(lookup, config, timeoutMs);
  const ca = config.caBundle ? Buffer.from(config.caBundle, "base64").toString("utf8") : undefined;
  const text = JSON.stringify(review);
  const limit = AbortSignal.timeout(timeoutMs);
  const ask = (target: Target, signal: AbortSignal): Promise<unknown> =>
    post({ target, ca, text, signal: AbortSignal.any([limit, signal]) });
  return firstAnswer({ clock, endpoints, targets, ask });
}

interface Target extends Address {
  /** As it stands in messages: the Service's name and port, not the endpoint's. */
  readonly url: string;
  readonly path: string;
  readonly servername?: string;
}

function post(options: {
  readonly target: Target;
  readonly ca: string | undefined;
  readonly text: string;
  readonly signal: AbortSignal;
}): Promise<unknown> {
  const { target, ca, text, signal } = options;
  const { url, ...address } = target;
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      ...address,
      method: "POST",
      agent,
      ...(ca === undefined ? {} : { ca }),
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        "content-length": Buffer.byteLength(text),
        ...(target.servername === undefined ? {} : { host: target.servername }),
      },
      signal,
    });
    request.once("error", (error) => {
      const isLate = error.name === "TimeoutError" || error.name === "AbortError";
      reject(new Error(`Post ${JSON.stringify(url)}: ${isLate ? "context deadline exceeded" : error.message}`, { cause: error }));
    });
    request.once("response", (answer) => {
      const chunks: Buffer[] = [];
      let length = 0;
      answer.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > answerLimitBytes) request.destroy(new Error(`the answer is larger than ${answerLimitBytes} bytes`));
        else chunks.push(chunk);
      });
      answer.once("error", reject);
      answer.once("end", () => {
        const received = Buffer.concat(chunks).toString("utf8");
        if (answer.statusCode !== 200)
          reject(new Error(`the server responded with status ${answer.statusCode}: ${received.slice(0, 200)}`));
        else resolve(parse(received, reject));
      });
    });
    request.end(text);
  });
}

function parse(text: string, fail: (error: Error) => void): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    fail(new Error(`the answer is no JSON: ${errorMessage(error)}`));
    return undefined;
  }
}

/** Each is told how long it is waited for (`timeout`), as Kubernetes tells it. */
function targetsOf(lookup: Lookup, { url, service }: WebhookClientConfig, timeoutMs: number): readonly Target[] {
  const timeout = `timeout=${timeoutMs / 1_000}s`;
  if (service !== undefined) {
    const { namespace, name, port = 443 } = service;
    const path = `${service.path ?? "/"}?${timeout}`;
    const resolution = endpointsOf(lookup, { namespace, name, port });
    if (!("addresses" in resolution)) throw new Error(resolution.message);
    const servername = `${name}.${namespace}.svc`;
    return resolution.addresses.map((address) => ({ ...address, path, servername, url: `https://${servername}:${port}${path}` }));
  }
  const parsed = URL.parse(url ?? "");
  if (parsed?.protocol !== "https:") throw new Error(`${JSON.stringify(url)} is no https URL`);
  const host = parsed.hostname.replace(/^\[|\]$/g, "");
  // an address is no server name: its certificate is checked for the address
  const named = isIP(host) === 0 ? { servername: host } : {};
  const path = `${parsed.pathname}${parsed.search === "" ? "?" : `${parsed.search}&`}${timeout}`;
  return [{ host, port: Number(parsed.port || 443), path, url: `${parsed.origin}${path}`, ...named }];
}
