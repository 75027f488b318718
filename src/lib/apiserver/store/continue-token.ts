import { badRequest } from "../errors.ts";

/** Where a list that came in parts goes on: at the same revision, after this key. */
export interface ContinueToken {
  readonly revision: number;
  readonly after: string;
}

export function formatContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ rv: revision, after })).toString("base64url");
}

/** Throws BadRequest for anything that {@link formatContinue} did not make. */
export function parseContinue(text: string): ContinueToken {
  try {
    const { rv, after } = JSON.parse(Buffer.from(text, "base64url").toString("utf8")) as { rv?: unknown; after?: unknown };
    if (typeof rv === "number" && Number.isSafeInteger(rv) && rv > 0 && typeof after === "string") return { revision: rv, after };
  } catch {
    // not JSON: told below
  }
  throw badRequest("continue key is not valid: it must be the metadata.continue of an earlier answer");
}
