import type { Column } from "../output.ts";

export interface EvaluationAnswer {
  /** Absent when no rule decides. */
  readonly response?: Evaluation;
}

interface Evaluation {
  readonly networkPolicy: { readonly type: string; readonly namespace?: string; readonly name: string };
  /** 0 may be left out. */
  readonly ruleIndex?: number;
  readonly rule: { readonly direction: string; readonly action?: string };
}

export const evaluationColumns: readonly Column<Evaluation>[] = [
  { title: "NAME", cell: ({ networkPolicy }) => networkPolicy.name },
  { title: "NAMESPACE", cell: ({ networkPolicy }) => networkPolicy.namespace },
  { title: "POLICY-TYPE", cell: ({ networkPolicy }) => networkPolicy.type },
  { title: "RULE-INDEX", cell: ({ ruleIndex = 0 }) => ruleIndex },
  { title: "DIRECTION", cell: ({ rule }) => rule.direction },
  // a Kubernetes policy isolates without a rule that says so
  { title: "ACTION", cell: ({ rule }) => rule.action ?? "Isolate" },
];
