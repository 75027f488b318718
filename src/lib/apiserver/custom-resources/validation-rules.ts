import type { Parts } from "#lib/runtime/parts.ts";
import { type Budget, newBudget } from "../cel/cost.ts";
import { type CompiledRule, ruleCompiler, type ValidationRule } from "../cel/rule.ts";
import { duplicate, type FieldError, forbiddenField, invalid, required } from "../field-error.ts";
import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";
import { isArray, isObject, jsonEqual } from "../patch/json.ts";

/** The CEL rules of a schema and of everything below it, ready to judge objects. */
export interface ValidationRules {
  /** What the rules say of a value; `old` is the value it replaces. Rules that hold of unchanged parts are not asked again, but for transitions. */
  findings(value: Json, old?: Json): Parts<readonly FieldError[]>;
}

/** Rules of all nodes of one version at most, so that a write cannot be made to judge without end. */
const mostRules = 1_000;

interface Node {
  readonly rules: readonly CompiledRule[];
  readonly type: string;
  readonly fields: ReadonlyMap<string, Node>;
  readonly values?: Node;
  readonly items?: Node;
  /** Keys by which items of the new and the old list belong together; undefined for lists that are one value. */
  readonly keys?: readonly string[];
}

/** Compiles every `x-kubernetes-validations` below a schema. `path` is that of the schema in its definition. */
export function* compileValidationRules(
  schema: JsonSchema,
  path: string,
): Parts<{ readonly rules: ValidationRules; readonly errors: FieldError[] }> {
  const errors: FieldError[] = [];
  const compilation = { errors, left: mostRules };
  const root = yield* compileNode(schema, path, compilation);
  if (compilation.left < 0) errors.push(forbiddenField(path, `more than ${mostRules} validation rules`));
  return {
    errors,
    rules: {
      *findings(value, old) {
        const found: FieldError[] = [];
        if (root !== undefined) yield* judgeNode(root, { value, old, path: "" }, { found, budget: newBudget() });
        return found;
      },
    },
  };
}

interface Compilation {
  readonly errors: FieldError[];
  left: number;
}

/** Undefined when no rule stands at this node or below it. */
function* compileNode(schema: JsonSchema, path: string, compilation: Compilation): Parts<Node | undefined> {
  if (!hasRules(schema)) return undefined;
  const rules = yield* compileRules(schema, path, compilation);
  const fields = new Map<string, Node>();
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const node = yield* compileNode(inner, `${path}.properties[${name}]`, compilation);
    if (node !== undefined) fields.set(name, node);
  }
  const values =
    typeof schema.additionalProperties === "object"
      ? yield* compileNode(schema.additionalProperties, `${path}.additionalProperties`, compilation)
      : undefined;
  const items = schema.items === undefined ? undefined : yield* compileNode(schema.items, `${path}.items`, compilation);
  if (rules.length === 0 && fields.size === 0 && values === undefined && items === undefined) return undefined;
  const keys = schema["x-kubernetes-list-type"] === "map" ? schema["x-kubernetes-list-map-keys"] : undefined;
  return {
    rules,
    fields,
    type: schema.type ?? "",
    ...(values === undefined ? {} : { values }),
    ...(items === undefined ? {} : { items }),
    ...(keys === undefined ? {} : { keys }),
  };
}

const ruled = new WeakMap<JsonSchema, boolean>();

/** Whether any rule stands at or below a schema: there is none in most parts of most. */
function hasRules(schema: JsonSchema): boolean {
  const known = ruled.get(schema);
  if (known !== undefined) return known;
  const { "x-kubernetes-validations": rules = [], properties = {}, additionalProperties, items } = schema;
  const made =
    rules.length > 0 ||
    (items !== undefined && hasRules(items)) ||
    (typeof additionalProperties === "object" && hasRules(additionalProperties)) ||
    Object.values(properties).some(hasRules);
  ruled.set(schema, made);
  return made;
}

function* compileRules(schema: JsonSchema, path: string, compilation: Compilation): Parts<CompiledRule[]> {
  const sources = schema["x-kubernetes-validations"] ?? [];
  if (sources.length === 0) return [];
  compilation.left -= sources.length;
  if (compilation.left < 0) return [];
  const compiler = ruleCompiler(schema, "self");
  const compiled: CompiledRule[] = [];
  for (const [index, source] of sources.entries()) {
    yield;
    const field = `${path}.x-kubernetes-validations[${index}]`;
    const rule = source as unknown as ValidationRule;
    if (!isObject(source) || typeof rule.rule !== "string" || rule.rule.trim() === "") {
      compilation.errors.push(required(`${field}.rule`, "rule is not specified"));
      continue;
    }
    const made = compiler.compile(rule);
    if ("judge" in made) compiled.push(made);
    else compilation.errors.push(invalid(`${field}.${made.field}`, rule[made.field], made.message));
  }
  return compiled;
}

interface Place {
  readonly value: Json;
  readonly old: Json | undefined;
  readonly path: string;
}

interface Judgement {
  readonly found: FieldError[];
  readonly budget: Budget;
}

function* judgeNode(node: Node, { value, old, path }: Place, judgement: Judgement): Parts<void> {
  if (value === null) return;
  const unchanged = node.rules.length > 0 && old !== undefined && jsonEqual(value, old);
  yield;
  for (const rule of node.rules) {
    if (rule.transition ? old === undefined && rule.source.optionalOldSelf !== true : unchanged) continue;
    const message = rule.judge(value, old, judgement.budget);
    if (message !== undefined) judgement.found.push(failure(rule.source, { path, type: node.type, message }));
    if (judgement.budget.left <= 0) return;
  }
  const inside = (name: string): string => (path === "" ? name : `${path}.${name}`);
  if (isArray(value)) {
    const { items } = node;
    if (items === undefined) return;
    const before = oldItems(node, old);
    for (const [index, item] of value.entries())
      yield* judgeNode(items, { value: item, old: before(item), path: `${path}[${index}]` }, judgement);
  } else if (isObject(value)) {
    const oldFields = isObject(old) ? old : {};
    for (const [name, inner] of Object.entries(value)) {
      const below = node.fields.get(name) ?? node.values;
      if (below !== undefined) yield* judgeNode(below, { value: inner, old: own(oldFields, name), path: inside(name) }, judgement);
    }
  }
}

const own = (object: JsonObject, name: string): Json | undefined => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Finds the old item that belongs to a new one: only lists that are maps know. */
function oldItems({ keys }: Node, old: Json | undefined): (item: Json) => Json | undefined {
  if (keys === undefined || !isArray(old)) return () => undefined;
  const identity = (item: Json): string => JSON.stringify(keys.map((key) => (isObject(item) ? (own(item, key) ?? null) : null)));
  const byKey = new Map(old.map((item) => [identity(item), item]));
  return (item) => byKey.get(identity(item));
}

function failure(
  { reason, fieldPath = "" }: ValidationRule,
  { path, type, message }: { readonly path: string; readonly type: string; readonly message: string },
): FieldError {
  const field = `${path}${path === "" ? fieldPath.replace(/^\./, "") : fieldPath}` || "<nil>";
  switch (reason) {
    case "FieldValueForbidden":
      return forbiddenField(field, message);
    case "FieldValueRequired":
      return required(field, message);
    case "FieldValueDuplicate":
      return { ...duplicate(field, type), message: `Duplicate value: ${JSON.stringify(type)}: ${message}` };
    default:
      return invalid(field, type, message);
  }
}
