import type { Json } from "../openapi/schema.ts";
import type { ConnectionOptions } from "../subresource.ts";

/** How an option stands in a query: "true" or "1", a text, the same name several times, or numbers so. */
export type OptionType = "boolean" | "text" | "texts" | "numbers";

/** Options that a client gives in the query, and that are left out of the object where the query is silent, as Go writes them. */
export function queryOptions(fields: Readonly<Record<string, OptionType>>): ConnectionOptions {
  return {
    of: ({ parameters }) =>
      Object.fromEntries(
        Object.entries(fields).flatMap(([name, type]) => {
          const value = readers[type](parameters.getAll(name));
          return value === undefined ? [] : [[name, value]];
        }),
      ),
    applied(request, options) {
      const parameters = new URLSearchParams(request.parameters);
      for (const name of Object.keys(fields)) {
        parameters.delete(name);
        for (const value of [options[name] ?? []].flat()) parameters.append(name, String(value));
      }
      return { ...request, parameters };
    },
  };
}

const readers: Readonly<Record<OptionType, (given: readonly string[]) => Json | undefined>> = {
  boolean: ([first]) => (first === "true" || first === "1" ? true : undefined),
  text: ([first]) => first || undefined,
  texts: (given) => (given.length === 0 ? undefined : given),
  numbers: (given) => (given.length === 0 ? undefined : given.flatMap((text) => text.split(",")).map(Number)),
};
