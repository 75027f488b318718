import { newBudget } from "../cel/cost.ts";
import { expressionCompiler } from "../cel/rule.ts";
import type { JsonObject } from "../openapi/schema.ts";

/** What a condition sees of a request. */
export interface ConditionVariables {
  readonly object: JsonObject | null;
  readonly oldObject: JsonObject | null;
  readonly request: JsonObject;
}

export interface Condition {
  /** Throws what the expression throws. */
  holds(variables: ConditionVariables): boolean;
}

const compile = expressionCompiler(["object", "oldObject", "request"]);
const compiled = new Map<string, Condition | { readonly problem: string }>();
/** Conditions kept compiled; the oldest is compiled again when it is needed. */
const keptConditions = 200;

/** A condition of a webhook (CEL), or what is wrong with it. */
export function compileCondition(expression: string): Condition | { readonly problem: string } {
  const known = compiled.get(expression);
  if (known !== undefined) return known;
  const program = compile(expression);
  const made =
    typeof program === "string"
      ? { problem: program }
      : { holds: ({ object, oldObject, request }: ConditionVariables) => program({ object, oldObject, request }, newBudget()) === true };
  if (compiled.size >= keptConditions) compiled.delete(compiled.keys().next().value ?? "");
  compiled.set(expression, made);
  return made;
}
