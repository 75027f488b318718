/** Why a subcommand does not work, by its name; the function says it of a client's version, or undefined where it works. */
export const notHere: ReadonlyMap<string, (version: string) => string | undefined> = new Map<
  string,
  (version: string) => string | undefined
>([
  ["autoscale", () => "the lab has no autoscaler"],
  ["events", (version) => (version.startsWith("v1.20.") ? "this client has none" : undefined)],
  ["top", () => "the lab has no metrics server"],
]);
