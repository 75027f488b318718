import { createPublicKey, type webcrypto, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFlags } from "./flags.ts";
import { getInCluster } from "./in-cluster.ts";

/** The two algorithms that API servers sign with. */
const algorithms: Readonly<Record<string, { readonly dsaEncoding?: "ieee-p1363" }>> = { RS256: {}, ES256: { dsaEncoding: "ieee-p1363" } };

/**
 * `test-service-account-issuer-discovery --token-path=FILE --audience=NAME`: checks a token as a stranger would, by nothing but what its issuer publishes
 * (OpenID Connect Discovery 1.0 §4, RFC 7517). Exit code 1 when it does not hold.
 */
export async function issuerDiscovery(
  args: readonly string[],
  print: (line: string) => void,
  get: (url: string) => Promise<string> = getInCluster,
): Promise<number> {
  const flags = readFlags(args, ["token-path", "audience"]);
  const token = readFileSync(flags.text("token-path", ""), "utf8").trim();
  print("OK: Got token");
  try {
    await check(token, { audience: flags.text("audience", ""), get, print });
    return 0;
  } catch (error) {
    print(`the token does not hold: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

interface CheckOptions {
  readonly audience: string;
  readonly get: (url: string) => Promise<string>;
  readonly print: (line: string) => void;
}

async function check(token: string, { audience, get, print }: CheckOptions): Promise<void> {
  const [head = "", body = "", signature = ""] = token.split(".");
  const header = decode(head);
  const claims = decode(body);
  const issuer = String(claims.iss);
  print(`OK: got issuer ${issuer}`);
  const provider = JSON.parse(await get(`${issuer}/.well-known/openid-configuration`)) as { issuer?: string; jwks_uri?: string };
  if (provider.issuer !== issuer) throw new Error(`the issuer calls itself ${provider.issuer}`);
  print(`OK: Constructed OIDC provider for issuer ${issuer}`);
  const { keys = [] } = JSON.parse(await get(provider.jwks_uri ?? "")) as { keys?: (webcrypto.JsonWebKey & { kid?: string })[] };
  const key = keys.find(({ kid }) => kid === header.kid);
  const algorithm = algorithms[String(header.alg)];
  if (key === undefined || algorithm === undefined) throw new Error(`no key ${header.kid} for ${header.alg} is published`);
  const isSigned = verify(
    "sha256",
    Buffer.from(`${head}.${body}`),
    { key: createPublicKey({ key, format: "jwk" }), ...algorithm },
    Buffer.from(signature, "base64url"),
  );
  if (!isSigned) throw new Error("the signature is not the issuer's");
  print("OK: Validated signature on JWT");
  if (![claims.aud].flat().includes(audience)) throw new Error(`it is for ${JSON.stringify(claims.aud)}, not for ${audience}`);
  if (!(Number(claims.exp) * 1_000 > Date.now())) throw new Error("it has expired");
  print("OK: Got valid claims from token!");
}

function decode(part: string): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(part, "base64url").toString("utf8")) as Record<string, unknown>;
}
