import type { Random } from "#lib/runtime/random.ts";
import type { HookContext } from "../resource.ts";

/** What to do about fields that the schema does not know. */
export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** A write as the rules see it. */
export interface RuleContext extends HookContext {
  readonly fieldValidation: FieldValidation;
  /** Paths of fields that the body names twice. Absent: none. */
  readonly duplicates?: readonly string[];
  /** Who owns the fields that this write changes; "applied" when the body says it already. Absent: nobody (the server's own writes). */
  readonly fieldManager?: string | { readonly applied: true };
  readonly random: Random;
}
