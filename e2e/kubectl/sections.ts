/** The steps of one subcommand. */
export interface Section {
  readonly name: string;
  readonly text: string;
}

/** Splits a script at its lines `== NAME`; the files below belong to all sections. */
export function parseSections(text: string): { readonly sections: readonly Section[]; readonly files: string } {
  const firstFile = text.search(/^-- \S+ --$/m);
  const [head, files] = firstFile < 0 ? [text, ""] : [text.slice(0, firstFile), text.slice(firstFile)];
  const [, ...parts] = head.split(/^== /m);
  return {
    sections: parts.map((part) => ({ name: part.slice(0, part.indexOf("\n")).trim(), text: part.slice(part.indexOf("\n") + 1) })),
    files,
  };
}
