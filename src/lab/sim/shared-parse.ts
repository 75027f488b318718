/** Texts longer than this are lists of one client alone; keeping them would cost more than reading them again. */
const longest = 16 * 1024 * 1024;
/** How much text is kept: what many clients are told at about the same time. */
const keptCharacters = 64 * 1024 * 1024;

/**
 * Reads JSON for all clients of a simulation: what many of them are told, word for word, is read once and is one object, frozen, as none of them may change
 * what is every other's.
 */
export function sharedParse(): (text: string) => unknown {
  const known = new Map<string, unknown>();
  let kept = 0;
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const value = freeze(JSON.parse(text));
    if (text.length > longest) return value;
    known.set(text, value);
    kept += text.length;
    for (const [oldest] of known) {
      if (kept <= keptCharacters) break;
      known.delete(oldest);
      kept -= oldest.length;
    }
    return value;
  };
}

function freeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}
