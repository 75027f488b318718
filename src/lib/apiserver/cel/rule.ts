import { Environment, Optional, type ParseResult } from "@marcbachmann/cel-js";
import type { Json, JsonSchema } from "../openapi/schema.ts";
import { type Budget, meter, newBudget, TooDear } from "./cost.ts";
import { withFormats } from "./formats.ts";
import { withLists } from "./lists.ts";
import { withMacros } from "./macros.ts";
import { withNetwork } from "./network.ts";
import { withQuantities } from "./quantity.ts";
import { declareType, dynamicValue, type SchemaType } from "./schema-types.ts";
import { withSemanticVersions } from "./semantic-version.ts";
import { withText } from "./text.ts";

/** One entry of `x-kubernetes-validations` (`apiextensions.k8s.io/v1 ValidationRule`). */
export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

/** A rule that is ready to judge values of its schema. */
export interface CompiledRule {
  readonly source: ValidationRule;
  /** It speaks of `oldSelf`: it is asked only where there is an old value, unless that is optional. */
  readonly transition: boolean;
  /** Undefined when the value is right; else the sentence for the user. */
  judge(value: Json, old: Json | undefined, budget: Budget): string | undefined;
}

/** What is wrong with a rule. */
export interface RuleProblem {
  readonly field: "rule" | "messageExpression";
  readonly message: string;
}

/** Bounds of one expression: larger ones are refused when the CRD is. */
const limits = { maxAstNodes: 2_000, maxDepth: 60, maxListElements: 500, maxMapEntries: 500, maxCallArguments: 32 };

/** CEL with the libraries of Kubernetes. Made once: it is costly, and kinds take copies. */
const libraries = [withNetwork, withQuantities, withText, withLists, withFormats, withSemanticVersions, withMacros].reduce(
  (environment, add) => add(environment),
  new Environment({ enableOptionalTypes: true, limits }),
);

/** Expressions over values of one schema. `path` names the schema in messages. */
export interface RuleCompiler {
  compile(rule: ValidationRule): CompiledRule | RuleProblem;
}

/** One compiler serves all rules of a schema node. */
export function ruleCompiler(schema: JsonSchema, path: string): RuleCompiler {
  const plain = libraries.clone();
  const type = declareType(plain, schema, path);
  plain.registerVariable("self", type.name);
  // variables of one environment cannot have two types
  const environments = {
    required: plain.clone().registerVariable("oldSelf", type.name),
    optional: plain.clone().registerVariable("oldSelf", `optional<${type.name}>`),
  };
  return {
    compile(source) {
      const environment = source.optionalOldSelf ? environments.optional : environments.required;
      const rule = compile(environment, source.rule, "bool");
      if (typeof rule === "string") return { field: "rule", message: rule };
      const { messageExpression } = source;
      const message = messageExpression === undefined ? undefined : compile(environment, messageExpression, "string");
      if (typeof message === "string") return { field: "messageExpression", message };
      return { source, transition: rule.names.has("oldSelf"), judge: judge(source, type, { rule, message }) };
    },
  };
}

/** Compiles conditions over variables of any type; the program, or what is wrong with the expression. */
export function expressionCompiler(variables: readonly string[]): (text: string) => Program["run"] | string {
  const environment = libraries.clone();
  for (const name of variables) environment.registerVariable(name, "dyn");
  return (text) => {
    const program = compile(environment, text, "bool");
    if (typeof program === "string") return program;
    return (context, budget) => program.run(mapValues(context, dynamicValue), budget);
  };
}

const mapValues = (context: object, change: (value: Json) => unknown): object =>
  Object.fromEntries(Object.entries(context).map(([name, value]) => [name, change(value as Json)]));

interface Program {
  run(context: object, budget: Budget): unknown;
  /** Variables that it reads. */
  readonly names: ReadonlySet<string>;
}

/** The program, or what is wrong with the expression. */
function compile(environment: Environment, text: string, wanted: "bool" | "string"): Program | string {
  let current = newBudget();
  let parsed: ParseResult;
  try {
    parsed = environment.parse(text);
    meter(parsed.ast, () => current);
  } catch (error) {
    return `compilation failed: ${summaryOf(error)}`;
  }
  const { valid, type, error } = parsed.check();
  if (!valid) return `compilation failed: ${summaryOf(error)}`;
  if (type !== wanted && type !== "dyn") return `must evaluate to a ${wanted}, not ${type}`;
  return {
    names: namesIn(text),
    run(context, budget) {
      current = budget;
      return parsed(context);
    },
  };
}

function judge(
  source: ValidationRule,
  type: SchemaType,
  programs: { readonly rule: Program; readonly message: Program | undefined },
): CompiledRule["judge"] {
  return (value, old, budget) => {
    const context = { self: type.value(value), oldSelf: oldValue(source, type, old) };
    try {
      if (programs.rule.run(context, budget) === true) return undefined;
    } catch (error) {
      if (budget.left <= 0) return new TooDear().message;
      return `${source.message ?? `failed rule: ${source.rule.trim()}`} (evaluation: ${summaryOf(error)})`;
    }
    return messageOf(source, programs.message, context, budget);
  };
}

function oldValue({ optionalOldSelf }: ValidationRule, type: SchemaType, old: Json | undefined): unknown {
  if (!optionalOldSelf) return old === undefined ? undefined : type.value(old);
  return old === undefined ? Optional.none() : Optional.of(type.value(old));
}

function messageOf(source: ValidationRule, expression: Program | undefined, context: object, budget: Budget): string {
  const fixed = source.message?.trim() ?? `failed rule: ${source.rule.trim()}`;
  if (expression === undefined) return fixed;
  try {
    const text = expression.run(context, budget);
    return typeof text === "string" && text.trim() !== "" && !text.includes("\n") ? text.trim() : fixed;
  } catch {
    // the rule has failed all the same: what it says falls back to the fixed message, as in Kubernetes
    return fixed;
  }
}

/** Words outside string literals. A field that is named `oldSelf` counts too: that costs a rule its first judgement, nothing else. */
function namesIn(text: string): ReadonlySet<string> {
  const bare = text.replace(/"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, " ");
  return new Set(bare.match(/[A-Za-z_]\w*/g));
}

const summaryOf = (error: unknown): string => (error as { summary?: string }).summary ?? (error as Error).message;
