import { StatusError } from "../errors.ts";
import { answerText } from "../http/exchange.ts";
import type { PathExchange } from "../http/serve-path.ts";
import type { PublicJsonWebKey } from "./json-web-token.ts";

/** Where the two documents are; both are for everybody who holds `system:service-account-issuer-discovery`. */
export const openIdConfigurationPath = "/.well-known/openid-configuration";
export const openIdKeysPath = "/openid/v1/jwks";

/**
 * By which somebody else than this server can check the tokens of its service accounts (OpenID Connect Discovery 1.0, RFC 7517): paths for
 * `createApiServer`. Nobody logs in by it, so it has no authorization endpoint.
 */
export function openIdDocuments(options: {
  readonly issuer: string;
  readonly publicKey: PublicJsonWebKey;
  /** `https://HOST:PORT` by which those who check reach this server. */
  readonly server: string;
}): Readonly<Record<string, (exchange: PathExchange) => void>> {
  const { issuer, publicKey, server } = options;
  const configuration = {
    issuer,
    jwks_uri: `${server}${openIdKeysPath}`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: [publicKey.alg],
  };
  return {
    [openIdConfigurationPath]: document(configuration, "application/json"),
    [openIdKeysPath]: document({ keys: [publicKey] }, "application/jwk-set+json"),
  };
}

function document(content: object, type: string): (exchange: PathExchange) => void {
  const text = JSON.stringify(content);
  return (exchange) => {
    const { verb, path } = exchange.target;
    if (verb !== "get" && verb !== "head")
      throw new StatusError(405, "MethodNotAllowed", `${verb.toUpperCase()} is not allowed on ${path}`);
    answerText(exchange, 200, text, type);
  };
}
