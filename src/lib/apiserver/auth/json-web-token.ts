import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";

/** The public half of a key, as others are told of it (RFC 7517, RFC 7518 §6.2). */
export interface PublicJsonWebKey {
  readonly use: "sig";
  readonly kty: "EC";
  readonly kid: string;
  readonly crv: "P-256";
  readonly alg: "ES256";
  readonly x: string;
  readonly y: string;
}

/** Signs and checks JSON Web Tokens (RFC 7519) with one P-256 key (ES256, RFC 7518 §3.4). */
export interface TokenSigner {
  /** By which others check the tokens; its `kid` stands in their headers. */
  readonly publicKey: PublicJsonWebKey;
  sign(claims: object): string;
  /** The claims of a token that this key signed; undefined for anything else. Times and audiences are the caller's to check. */
  verify(token: string): Readonly<Record<string, unknown>> | undefined;
}

/** Longest token looked at. */
const tokenLimit = 16 * 1024;

/** `key` is a P-256 private key, PEM. */
export function createTokenSigner(key: string): TokenSigner {
  const privateKey = createPrivateKey(key);
  const publicKey = createPublicKey(key);
  // As Kubernetes names keys: nobody who reads it learns more than the key itself tells.
  const kid = createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");
  const { x = "", y = "" } = publicKey.export({ format: "jwk" }) as { readonly x?: string; readonly y?: string };
  const header = encode({ alg: "ES256", kid });
  return {
    publicKey: { use: "sig", kty: "EC", kid, crv: "P-256", alg: "ES256", x, y },
    sign(claims) {
      const signed = `${header}.${encode(claims)}`;
      return `${signed}.${sign("sha256", Buffer.from(signed), joseForm(privateKey)).toString("base64url")}`;
    },
    verify(token) {
      const [head = "", claims = "", signature = "", ...more] = token.length > tokenLimit ? [] : token.split(".");
      if (more.length > 0 || head !== header) return undefined;
      const signatureBytes = Buffer.from(signature, "base64url");
      if (!verify("sha256", Buffer.from(`${head}.${claims}`), joseForm(publicKey), signatureBytes)) return undefined;
      const decoded: unknown = JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
      return typeof decoded === "object" && decoded !== null ? (decoded as Record<string, unknown>) : undefined;
    },
  };
}

const joseForm = (key: KeyObject) => ({ key, dsaEncoding: "ieee-p1363" }) as const;

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
