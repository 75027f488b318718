import { type Environment, Optional } from "@marcbachmann/cel-js";
import { TooDear } from "./cost.ts";

/** A type of the CEL library, as far as macros ask it. */
interface Type {
  readonly kind: string;
  /** Of the elements of a list, the values of a map, what an optional holds. */
  readonly valueType?: Type;
  readonly keyType?: Type;
  isDynOrBool(): boolean;
}

interface Node {
  readonly op: string;
  readonly args: unknown;
}

/** Where the variables of a macro live: one level for each, made when types are checked and used again at each evaluation. */
interface Scope {
  forkWithVariable(name: string, type: Type): Scope;
  reuse(parent: Scope): Scope;
  setIterValue(value: unknown, evaluator: Evaluator): Scope;
}

interface Checker {
  check(node: Node, scope: Scope): Type;
  getType(name: string): Type;
  createError(code: string, message: string, node: Node): Error;
}

interface Evaluator {
  run(node: Node, scope: Scope): unknown;
}

/** What the library asks of a macro. Its nodes are paid for like all others, as the meter looks into it. */
interface Macro {
  readonly async: false;
  typeCheck(checker: Checker, macro: Macro, scope: Scope): Type;
  evaluate(evaluator: Evaluator, macro: Macro, scope: Scope): unknown;
  /** What the meter is to find. */
  readonly receiver: Node;
  readonly nodes: readonly (Node | undefined)[];
}

interface Call {
  readonly args: readonly Node[];
  readonly receiver: Node;
}

/** `optMap` and `optFlatMap`, and the macros with two variables: index and value of a list, key and value of a map. */
export function withMacros(environment: Environment): Environment {
  const register = (signature: string, macro: (call: Call) => Macro): void => {
    environment.registerFunction(signature, macro as never);
  };
  register("optional.optMap(ast, ast): optional<dyn>", (call) => onOptional(call, (value) => Optional.of(value)));
  register("optional.optFlatMap(ast, ast): optional<dyn>", (call) => onOptional(call, (value) => value));
  register("list.all(ast, ast, ast): bool", (call) => quantifier(call, { decisive: false }));
  register("list.exists(ast, ast, ast): bool", (call) => quantifier(call, { decisive: true }));
  register("list.existsOne(ast, ast, ast): bool", (call) => quantifier(call, { result: (count) => count === 1 }));
  register("list.transformList(ast, ast, ast): list<dyn>", (call) => transformation(call, "list"));
  register("list.transformList(ast, ast, ast, ast): list<dyn>", (call) => transformation(call, "list"));
  register("list.transformMap(ast, ast, ast): map<dyn, dyn>", (call) => transformation(call, "map"));
  register("list.transformMap(ast, ast, ast, ast): map<dyn, dyn>", (call) => transformation(call, "map"));
  register("list.transformMapEntry(ast, ast, ast): map<dyn, dyn>", (call) => transformation(call, "entries"));
  register("list.transformMapEntry(ast, ast, ast, ast): map<dyn, dyn>", (call) => transformation(call, "entries"));
  return environment;
}

function onOptional({ args, receiver }: Call, result: (value: unknown) => unknown): Macro {
  const [variable, expression] = args as readonly [Node, Node];
  let inner: Scope | undefined;
  return {
    async: false,
    receiver,
    nodes: [expression],
    typeCheck(checker, _macro, scope) {
      const type = checker.check(receiver, scope);
      if (type.kind !== "optional" && type.kind !== "dyn")
        throw checker.createError("optional_expected", "optMap() receiver must be optional", receiver);
      inner = scope.forkWithVariable(nameOf(checker, variable), type.valueType ?? checker.getType("dyn"));
      checker.check(expression, inner);
      return checker.getType("optional");
    },
    evaluate(evaluator, _macro, scope) {
      const held = evaluator.run(receiver, scope);
      if (!(held instanceof Optional)) throw new Error("optMap() receiver must be optional");
      if (!held.hasValue() || inner === undefined) return Optional.none();
      return result(evaluator.run(expression, inner.reuse(scope).setIterValue(held.value(), evaluator)));
    },
  };
}

/** The scopes of both variables over what the receiver is. */
function overPairs({ args: [first, second], receiver }: Call) {
  let outer: Scope | undefined;
  let inner: Scope | undefined;
  return {
    check(checker: Checker, scope: Scope): Scope {
      const { kind, keyType, valueType } = checker.check(receiver, scope);
      if (kind !== "list" && kind !== "map" && kind !== "dyn")
        throw checker.createError("invalid_comprehension_range", "a macro of two variables needs a list or a map", receiver);
      const any = checker.getType("dyn");
      const keys = kind === "list" ? checker.getType("int") : (keyType ?? any);
      outer = scope.forkWithVariable(nameOf(checker, first as Node), keys);
      inner = outer.forkWithVariable(nameOf(checker, second as Node), valueType ?? any);
      return inner;
    },
    *scopes(evaluator: Evaluator, scope: Scope): Generator<{ readonly key: unknown; readonly scope: Scope }> {
      const pairs = pairsOf(evaluator.run(receiver, scope));
      for (const [key, value] of pairs) {
        if (outer === undefined || inner === undefined) return;
        outer.reuse(scope).setIterValue(key, evaluator);
        yield { key, scope: inner.reuse(outer).setIterValue(value, evaluator) };
      }
    },
  };
}

function pairsOf(value: unknown): readonly (readonly [key: unknown, value: unknown])[] {
  if (Array.isArray(value)) return value.map((one, index) => [BigInt(index), one] as const);
  const entries = entriesOf(value);
  if (entries !== undefined) return entries;
  throw new Error("a macro of two variables needs a list or a map");
}

/** Of a map: one that is written in an expression is an object, and its keys are text. */
function entriesOf(value: unknown): readonly (readonly [key: unknown, value: unknown])[] | undefined {
  if (value instanceof Map) return [...value];
  const isPlain = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isPlain ? Object.entries(value) : undefined;
}

/** What a predicate over pairs comes to. An answer that decides counts more than another pair's error. */
interface Quantifier {
  /** The answer of one pair that decides at once; absent: all of them count. */
  readonly decisive?: boolean;
  /** By how many hold, where all count. */
  readonly result?: (count: number) => boolean;
}

function quantifier(call: Call, { decisive, result }: Quantifier): Macro {
  const predicate = call.args[2] as Node;
  const pairs = overPairs(call);
  return {
    async: false,
    receiver: call.receiver,
    nodes: [predicate],
    typeCheck(checker, _macro, scope) {
      if (!checker.check(predicate, pairs.check(checker, scope)).isDynOrBool())
        throw checker.createError("invalid_predicate", "the predicate must return bool", predicate);
      return checker.getType("bool");
    },
    evaluate(evaluator, _macro, scope) {
      const failures: unknown[] = [];
      let count = 0;
      for (const pair of pairs.scopes(evaluator, scope)) {
        try {
          const holds = evaluator.run(predicate, pair.scope) === true;
          if (holds === decisive) return decisive;
          if (holds) count++;
        } catch (error) {
          // a budget that is spent stays so: there is nothing to find out any more
          if (decisive === undefined || error instanceof TooDear) throw error;
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
      return decisive === undefined ? (result?.(count) ?? false) : !decisive;
    },
  };
}

/** `entries`: each comes to a map of its own, whose entries the result has; no key twice. */
function transformation(call: Call, into: "list" | "map" | "entries"): Macro {
  const [filter, transform] = (call.args.length === 4 ? call.args.slice(2) : [undefined, call.args[2]]) as [Node | undefined, Node];
  const pairs = overPairs(call);
  return {
    async: false,
    receiver: call.receiver,
    nodes: [filter, transform],
    typeCheck(checker, _macro, scope) {
      const inner = pairs.check(checker, scope);
      if (filter !== undefined && !checker.check(filter, inner).isDynOrBool())
        throw checker.createError("invalid_predicate", "the filter must return bool", filter);
      checker.check(transform, inner);
      return checker.getType(into === "list" ? "list" : "map");
    },
    evaluate(evaluator, _macro, scope) {
      const made = new Map<unknown, unknown>();
      for (const { key, scope: inner } of pairs.scopes(evaluator, scope))
        if (filter === undefined || evaluator.run(filter, inner) === true) {
          const result = evaluator.run(transform, inner);
          if (into === "entries") addEntries(made, result);
          else made.set(key, result);
        }
      return into === "list" ? [...made.values()] : made;
    },
  };
}

function addEntries(made: Map<unknown, unknown>, value: unknown): void {
  const entries = entriesOf(value);
  if (entries === undefined) throw new Error("transformMapEntry() needs a map of each entry");
  for (const [key, value] of entries) {
    if (made.has(key)) throw new Error(`insert failed: key ${JSON.stringify(String(key))} already exists`);
    made.set(key, value);
  }
}

function nameOf(checker: Checker, node: Node): string {
  if (node.op === "id" && typeof node.args === "string") return node.args;
  throw checker.createError("invalid_macro_argument", "a macro's variable must be a name", node);
}
