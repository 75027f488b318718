/** Columns padded with spaces, three between them; an empty cell reads `<NONE>`. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map((cell) => (cell === "" ? "<NONE>" : cell)));
  const widths = header.map((title, column) => Math.max(title.length, ...shown.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd();
  return `${[line(header), ...shown.map(line)].join("\n")}\n`;
}
