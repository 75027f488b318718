import type { LocalPort } from "#core/pipeline/index.ts";
import type { ReadTable } from "#lib/table/index.ts";

/** Follows which pod's port has which OpenFlow number. */
export function podsByPort<Port extends LocalPort>(ports: ReadTable<Port>): (ofport: number) => Port | undefined {
  const byNumber = new Map<number, Port>();
  ports.subscribe(
    ({ before, after }) => {
      // A number that another port has by now is that one's.
      if (before !== undefined && byNumber.get(before.ofport)?.interfaceName === before.interfaceName) byNumber.delete(before.ofport);
      if (after !== undefined) byNumber.set(after.ofport, after);
    },
    { replay: true },
  );
  return (ofport) => byNumber.get(ofport);
}
