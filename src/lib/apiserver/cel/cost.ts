import type { ASTNode } from "@marcbachmann/cel-js";
import { linearMatches } from "./text.ts";

/**
 * Steps that the rules of one write may take. A step is a node of an expression that is evaluated, and every 64 characters or elements of what it
 * comes to. Measured: 75 to 110 ns per step on a busy machine, so that the dearest write takes less than 100 ms.
 */
export const stepsPerWrite = 1_000_000;

/** What is left of the steps of a write. Shared by all its rules. */
export interface Budget {
  left: number;
}

export const newBudget = (): Budget => ({ left: stepsPerWrite });

/** The rules of a write have become too dear. */
export class TooDear extends Error {
  constructor() {
    super("the expression takes too many steps: the object is too large for this rule");
  }
}

type Evaluate = (this: MeteredNode, evaluator: unknown, node: unknown, context: unknown) => unknown;

/** A node of the CEL library as it is inside: it replaces its own `evaluate` when it first runs, and macros stand for other nodes. */
interface MeteredNode {
  evaluate: Evaluate;
  readonly op: string;
  readonly args: unknown;
  readonly meta: { readonly alternate?: unknown; readonly macro?: unknown };
}

/**
 * Makes every node of a parsed expression pay for its evaluation from the budget that `budget` answers, and sends `matches` to RE2. The library has no
 * limit of its own on the time an expression takes; a test holds that this one works. Called after parsing, before types are checked.
 */
export function meter(ast: ASTNode, budget: () => Budget): void {
  const seen = new Set<object>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    if (Array.isArray(value)) value.forEach(visit);
    else if (isNode(value)) {
      const { args, meta } = value;
      if (value.op === "rcall" && Array.isArray(args) && args[0] === "matches") args[0] = linearMatches;
      pay(value, budget);
      visit(args);
      visit(meta.alternate);
      visit(meta.macro);
    } else Object.values(value).forEach(visit);
  };
  visit(ast);
}

function pay(node: MeteredNode, budget: () => Budget): void {
  let inner: Evaluate = node.evaluate;
  const paid: Evaluate = (evaluator, self, context) => {
    const account = budget();
    if (account.left <= 0) throw new TooDear();
    account.left -= 1;
    const result = inner.call(node, evaluator, self, context);
    if (typeof result === "string" || Array.isArray(result)) account.left -= result.length >> 6;
    return result;
  };
  // the node puts its final way of evaluation here when it first runs
  Object.defineProperty(node, "evaluate", {
    get: () => paid,
    set: (value: Evaluate) => {
      inner = value;
    },
  });
}

function isNode(value: object): value is MeteredNode {
  return "op" in value && "evaluate" in value && "meta" in value;
}
