/** What came of a subcommand with one client. */
export interface SubcommandResult {
  /** `v1.32.4`. */
  readonly client: string;
  readonly name: string;
  readonly works: boolean;
  /** Why it is not there, where that is known. */
  readonly missing: string | undefined;
}

/** The page `docs/kubectl.md`. */
export function kubectlPage(results: readonly SubcommandResult[]): string {
  const clients = [...new Set(results.map(({ client }) => client))];
  const names = [...new Set(results.map(({ name }) => name))].sort();
  const cell = (name: string, client: string): string => {
    const result = results.find((one) => one.name === name && one.client === client);
    if (result === undefined) return "not run";
    return result.works ? "works" : (result.missing ?? "fails");
  };
  return `# kubectl on the lab

Written by \`e2e/kubectl/kubectl.test.ts\` (\`KUBECTL_RECORD=1\`), which runs each subcommand with its usual flags, and wrong ones, on a lab of two nodes; the steps are in
\`e2e/kubectl/subcommands.script\`.

| subcommand | ${clients.join(" | ")} |
|---|${clients.map(() => "---|").join("")}
${names.map((name) => `| ${name} | ${clients.map((client) => cell(name, client)).join(" | ")} |`).join("\n")}
`;
}
