import { formatTable } from "../format-table.ts";

interface PolicyReference {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
}

interface Rule {
  readonly policyref: PolicyReference;
  readonly ruleindex: number;
}

export interface EndpointAnswer {
  readonly endpoints: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly policies?: readonly PolicyReference[] | null;
    readonly ingresssrcrules?: readonly Rule[] | null;
    readonly egressdstrules?: readonly Rule[] | null;
  }[];
}

/** Three tables of each Pod: its policies, and the rules that name it on either side. */
export function formatEndpoints({ endpoints }: EndpointAnswer): string {
  return endpoints
    .map(({ namespace, name, policies, egressdstrules, ingresssrcrules }) =>
      [
        `Endpoint ${namespace}/${name}\n`,
        block("Applied Policies on Endpoint:", ["Name", "Namespace", "UID"], (policies ?? []).map(policyCells)),
        block("Egress Rules Referencing Endpoint as Destination:", ruleTitles, (egressdstrules ?? []).map(ruleCells)),
        block("Ingress Rules Referencing Endpoint as Source:", ruleTitles, (ingresssrcrules ?? []).map(ruleCells)),
      ].join(""),
    )
    .join("");
}

const ruleTitles = ["Name", "Namespace", "Index", "UID"];
const policyCells = ({ name, namespace = "", uid }: PolicyReference): string[] => [name, namespace, uid];
const ruleCells = ({ policyref: { name, namespace = "", uid }, ruleindex }: Rule): string[] => [name, namespace, String(ruleindex), uid];

function block(title: string, header: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? `${title} None\n\n` : `${title}\n${formatTable(header, rows)}\n`;
}
