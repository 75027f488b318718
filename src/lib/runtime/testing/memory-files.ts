import type { FileContent, Files } from "../files.ts";

/** Files in memory, which outlive a process of a test, and what is in them by their paths. */
export function memoryFiles(): { readonly files: Files; readonly texts: Map<string, string> } {
  const texts = new Map<string, string>();
  const files: Files = {
    read: async (path) => found(texts, path),
    replace: async (path, content) => void texts.set(path, textOf(content)),
    makeFolder: async () => {},
    async rename(from, to) {
      texts.set(to, found(texts, from));
      texts.delete(from);
    },
    remove: async (path) => void texts.delete(path),
  };
  return { files, texts };
}

export const textOf = (content: FileContent): string => (typeof content === "string" ? content : Buffer.concat(content).toString());

function found(texts: ReadonlyMap<string, string>, path: string): string {
  const text = texts.get(path);
  if (text === undefined) throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: "ENOENT" });
  return text;
}
