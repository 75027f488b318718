import { stringify } from "yaml";
import { UnsupportedValue } from "./errors.ts";
import { formatTable } from "./format-table.ts";

export const outputFormats = ["table", "json", "yaml", "raw"] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** One column of a table: its title, and its cell of an item. */
export interface Column<Item> {
  readonly title: string;
  cell(item: Item): string | number | readonly string[] | undefined;
}

export function checkFormat(text: string): OutputFormat {
  const format = outputFormats.find((candidate) => candidate === text);
  if (format === undefined) throw new UnsupportedValue(text, "output", `one of ${outputFormats.join(", ")}`);
  return format;
}

/** Prints what a component answered: JSON and YAML as it came, a table by `columns`, its rows in the order of their text unless that of `items` is `kept`. */
export function formatAnswer<Item>({
  answer,
  format,
  columns,
  items,
  order = "by-text",
}: {
  readonly answer: unknown;
  readonly format: OutputFormat;
  readonly columns: readonly Column<Item>[];
  readonly items: readonly Item[];
  readonly order?: "by-text" | "kept";
}): string {
  if (format === "json") return `${JSON.stringify(answer, undefined, 2)}\n`;
  if (format === "yaml") return stringify(answer);
  if (format === "raw") return typeof answer === "string" ? `${answer}\n` : `${JSON.stringify(answer)}\n`;
  const rows = items.map((item) => columns.map((column) => shorten(column.cell(item))));
  if (order === "by-text") rows.sort((one, other) => (one.join("\0") < other.join("\0") ? -1 : 1));
  return formatTable(
    columns.map(({ title }) => title),
    rows,
  );
}

/** Lists longer than this are cut and end with how many more there are. */
const maxCellCharacters = 50;

function shorten(cell: string | number | readonly string[] | undefined): string {
  if (cell === undefined) return "";
  if (typeof cell !== "object") return String(cell);
  let text = "";
  for (const [index, part] of cell.entries()) {
    const longer = index === 0 ? part : `${text},${part}`;
    if (index > 0 && longer.length > maxCellCharacters) return `${text} + ${cell.length - index} more...`;
    text = longer;
  }
  return text;
}
