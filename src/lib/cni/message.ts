import type { CniErrorText } from "./errors.ts";

/**
 * How the executable and the agent talk: one connection per request on a Unix socket; the request as one line of JSON, the answer as one
 * line of JSON, then the agent closes. A newline cannot occur inside either, as JSON escapes it.
 */
export interface CniRequest {
  /** Version of this form; an agent that does not know it answers with code 202. */
  readonly form: number;
  readonly command: string;
  readonly containerId: string;
  readonly netns: string;
  readonly ifname: string;
  /** CNI_ARGS as it came. */
  readonly args: string;
  /** CNI_PATH as it came. */
  readonly path: string;
  /** Standard input as it came: the network configuration. */
  readonly config: string;
}

export type CniReply = { readonly result: unknown } | { readonly error: CniErrorText };

export const requestForm = 1;

/** A configuration with a previous result is a few KiB; kubelet's own bound for such messages is far above. */
export const largestMessageBytes = 1024 * 1024;

export function encodeMessage(message: CniRequest | CniReply): string {
  return `${JSON.stringify(message)}\n`;
}

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

const fields = ["command", "containerId", "netns", "ifname", "args", "path", "config"] as const;

export function decodeRequest(line: string): Decoded<CniRequest> {
  const parsed = parseObject(line);
  if (!parsed.ok) return parsed;
  const { value } = parsed;
  if (typeof value.form !== "number") return { ok: false, reason: "field form is no number" };
  for (const name of fields) if (typeof value[name] !== "string") return { ok: false, reason: `field ${name} is no text` };
  return { ok: true, value: value as unknown as CniRequest };
}

export function decodeReply(line: string): Decoded<CniReply> {
  const parsed = parseObject(line);
  if (!parsed.ok) return parsed;
  const { value } = parsed;
  if ("result" in value) return { ok: true, value: { result: value.result } };
  const error = value.error as { readonly code?: unknown; readonly msg?: unknown } | null | undefined;
  if (typeof error?.code === "number" && typeof error.msg === "string") return { ok: true, value: { error: error as CniErrorText } };
  return { ok: false, reason: "neither a result nor an error" };
}

function parseObject(line: string): Decoded<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ok: true, value: value as Record<string, unknown> };
    return { ok: false, reason: "no JSON object" };
  } catch {
    return { ok: false, reason: "no JSON" };
  }
}
