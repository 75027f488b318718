// The page docs/errors.md: every error code of ours with its class, where it comes from and what it means. `node tools/error-catalogue.ts` writes it.
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
export const cataloguePath = fileURLToPath(new URL("../docs/errors.md", import.meta.url));

export interface CatalogueEntry {
  readonly code: string;
  readonly name: string;
  readonly file: string;
  readonly meaning: string;
}

/** Error classes with a fixed code, in the order of their codes. */
export function errorEntries(): CatalogueEntry[] {
  const entries = globSync("src/**/errors.ts", { cwd: root }).flatMap((file) => {
    const text = readFileSync(`${root}/${file}`, "utf8");
    const classes = text.matchAll(
      /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?export class (\w+) extends [\s\S]*?super\(\s*"([A-Z][A-Z0-9_]+)"/g,
    );
    return [...classes].map(([, comment = "", name = "", code = ""]) => ({ code, name, file, meaning: oneLine(comment) }));
  });
  return entries.sort((one, other) => (one.code < other.code ? -1 : 1));
}

/** The text of a docstring without its decoration. */
function oneLine(comment: string): string {
  return comment
    .split("\n")
    .map((line) => line.replace(/^\s*\*?\s?/, "").trim())
    .join(" ")
    .replaceAll(/\{@link (\w+)\}/g, "`$1`")
    .replaceAll("|", "\\|")
    .trim();
}

export function formatCatalogue(entries: readonly CatalogueEntry[]): string {
  const rows = entries.map(
    ({ code, name, file, meaning }) =>
      `| \`${code}\` | \`${name}\` | ${file.replace(/^src\//, "").replace(/\/errors\.ts$/, "")} | ${meaning || "see its message"} |`,
  );
  return `# Error codes

Every error of ours has a stable code (\`error.code\`) and a message that says what, where and what to do. Made by \`node tools/error-catalogue.ts\` from
the classes; a test compares. Failures of the Kubernetes-style API carry the reasons of \`metav1.Status\` instead (\`NotFound\`, \`Conflict\`, \`Invalid\`, …),
failures of CNI requests the numbers of the CNI specification.

| code | class | from | meaning |
|---|---|---|---|
${rows.join("\n")}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(cataloguePath, formatCatalogue(errorEntries()));
