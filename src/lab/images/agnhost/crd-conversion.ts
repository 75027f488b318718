import { readFlags } from "./flags.ts";
import { asWire, serveReviews, type Wire } from "./review-server.ts";
import { withoutLogFlags } from "./webhook.ts";

const group = "stable.example.com";

/**
 * `crd-conversion-webhook --tls-cert-file=FILE --tls-private-key-file=FILE [--port=443]`: converts the suites' custom kind between `v1`, with `hostPort`, and `v2`, with
 * `host` and `port`.
 */
export async function conversionWebhook(args: readonly string[], print: (line: string) => void): Promise<never> {
  const flags = readFlags(withoutLogFlags(args), ["tls-cert-file", "tls-private-key-file", "port"]);
  const port = await serveReviews({
    certFile: flags.text("tls-cert-file", ""),
    keyFile: flags.text("tls-private-key-file", ""),
    port: flags.number("port", 443),
    kind: "ConversionReview",
    answer: async ({ path, request }) => (path === "/crdconvert" ? { response: convertAll(request) } : undefined),
  });
  print(`Converting on port ${port}`);
  return new Promise(() => {});
}

function convertAll({ desiredAPIVersion, objects }: Wire): Wire {
  const converted = (Array.isArray(objects) ? objects : []).map((object) => convert(asWire(object), String(desiredAPIVersion)));
  const problem = converted.find((one) => typeof one === "string");
  return problem === undefined
    ? { convertedObjects: converted, result: { status: "Success" } }
    : { result: { status: "Failure", message: problem } };
}

/** The object in the other version, or what is wrong. */
function convert(object: Wire, apiVersion: string): Wire | string {
  const { hostPort, host, port, ...rest } = object;
  if (object.apiVersion === `${group}/v1` && apiVersion === `${group}/v2`) {
    if (hostPort === undefined) return { ...rest, apiVersion };
    const parts = String(hostPort).split(":");
    return parts.length === 2 ? { ...rest, apiVersion, host: parts[0], port: parts[1] } : `hostPort: ${hostPort} is not HOST:PORT`;
  }
  if (object.apiVersion === `${group}/v2` && apiVersion === `${group}/v1`) {
    const isEmpty = host === undefined && port === undefined;
    return { ...rest, apiVersion, ...(isEmpty ? {} : { hostPort: `${host ?? ""}:${port ?? ""}` }) };
  }
  return `from ${object.apiVersion} to ${apiVersion}: there is no such conversion`;
}
