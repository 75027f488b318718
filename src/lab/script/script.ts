/**
 * A script test: commands on top, files below (`-- name --`). A line may begin with `!` (must fail) and `*` (retried until it holds).
 *
 * ```
 * apply web.yaml
 * * probe outsider -> shop/web:80
 * -- web.yaml --
 * …
 * ```
 */
export interface Script {
  readonly steps: readonly Step[];
  readonly files: ReadonlyMap<string, string>;
}

export interface Step {
  readonly line: number;
  readonly text: string;
  readonly mustFail: boolean;
  readonly retry: boolean;
  readonly words: readonly string[];
}

/** Reads a script. Throws a SyntaxError that names the line. */
export function parseScript(text: string): Script {
  const lines = text.split("\n");
  const firstFile = lines.findIndex((line) => /^-- \S+ --$/.test(line));
  const head = firstFile < 0 ? lines : lines.slice(0, firstFile);
  const steps = head.flatMap((line, index) => {
    const trimmed = line.trim();
    return trimmed === "" || trimmed.startsWith("#") ? [] : [parseStep(trimmed, index + 1)];
  });
  const files = new Map<string, string>();
  let name = "";
  for (const line of firstFile < 0 ? [] : lines.slice(firstFile)) {
    const header = /^-- (\S+) --$/.exec(line);
    if (header) {
      name = header[1] ?? "";
      files.set(name, "");
    } else files.set(name, `${files.get(name) ?? ""}${line}\n`);
  }
  return { steps, files };
}

function parseStep(text: string, line: number): Step {
  let rest = text;
  let mustFail = false;
  let retry = false;
  for (let sign = /^([!*]) /.exec(rest); sign !== null; sign = /^([!*]) /.exec(rest)) {
    if (sign[1] === "!") mustFail = true;
    else retry = true;
    rest = rest.slice(2).trimStart();
  }
  return { line, text, mustFail, retry, words: splitWords(rest, line) };
}

/** Words as a shell splits them: spaces, single and double quotes, no expansion. */
function splitWords(text: string, line: number): string[] {
  const words: string[] = [];
  const word = /\s*(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^\s'"]+))/y;
  let joined = false;
  for (let at = 0; at < text.length; ) {
    word.lastIndex = at;
    const match = word.exec(text);
    if (match === null) {
      if (text.slice(at).trim() === "") break;
      throw new SyntaxError(`line ${line}: a quote is not closed: ${text}`);
    }
    const part = match[1] ?? match[2]?.replaceAll(/\\(.)/g, "$1") ?? match[3] ?? "";
    joined = at > 0 && !/^\s/.test(match[0]);
    if (joined) words[words.length - 1] = `${words.at(-1) ?? ""}${part}`;
    else words.push(part);
    at = word.lastIndex;
  }
  return words;
}
