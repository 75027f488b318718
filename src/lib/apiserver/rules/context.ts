import type { Random } from "#lib/runtime/random.ts";
import type { HookContext } from "../resource.ts";

/** What to do about fields that the schema does not know. */
export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** What a client should hear of the text of its body, beside what the kind says of its fields. */
export interface BodyFindings {
  /** As Kubernetes words it: `duplicate field "spec.size"`. */
  readonly texts: readonly string[];
  /** Told before what is wrong with the object that the patch makes. */
  readonly ofPatch?: true;
}

/** As many are told of one body: more are of no use to anybody, and a body may hold a million. */
export const mostFindings = 100;

export const noFindings: BodyFindings = { texts: [] };

/** A write as the rules see it. */
export interface RuleContext extends HookContext {
  readonly fieldValidation: FieldValidation;
  /** What is odd in the text of the body. Absent: nothing. */
  readonly findings?: BodyFindings;
  /** Who owns the fields that this write changes; "applied" when the body says it already. Absent: nobody (the server's own writes). */
  readonly fieldManager?: string | { readonly applied: true };
  readonly random: Random;
}
