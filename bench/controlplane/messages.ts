/** How large the cluster is: the policies of the first `policies` namespaces are alike, and one more is for the first namespace. */
export interface Cluster {
  readonly nodes: number;
  readonly pods: number;
  readonly namespaces: number;
  readonly policies: number;
}

/** What the server's process is asked, one thing after the other. */
export type Ask =
  | { readonly do: "fill"; readonly cluster: Cluster }
  | { readonly do: "follow-here"; readonly from: number; readonly to: number }
  | { readonly do: "change" | "memory" | "forget-peak" | "peak" };

export type Told =
  | { readonly done: "fill"; readonly port: number }
  | { readonly done: "follow-here" | "forget-peak" }
  /** Times on the scale that all processes of a machine share, in milliseconds. */
  | { readonly done: "change"; readonly at: number; readonly publishedAt: number; readonly lastHere: number; readonly heardHere: number }
  | { readonly done: "memory"; readonly rss: number; readonly agents: number }
  /** Since it was last forgotten. */
  | { readonly done: "peak"; readonly rss: number; readonly processorSeconds: number };
