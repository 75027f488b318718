import type { NameRow } from "#core/fqdn/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { ServiceRow } from "../flows/index.ts";

/** A name, or a pattern, of rules that does not do what whoever wrote it may think. */
export interface NameTrouble {
  readonly name: string;
  readonly reason: string;
}

/** Which Service (`namespace/name`) an address is the frontend of, while the switch translates those. */
export function serviceAddresses(services: ReadTable<ServiceRow>): (address: IpAddress) => string | undefined {
  const found = new Map<string, string>();
  services.subscribe(
    ({ before, after }) => {
      for (const { address } of before?.frontends ?? []) found.delete(String(address));
      for (const { address } of after?.frontends ?? []) found.set(String(address), after?.key ?? "");
    },
    { replay: true },
  );
  return (address) => found.get(String(address));
}

/** Names that stand for the address of a Service: rules see its endpoint, and so never meet the address. */
export function namesOfServices(rows: readonly NameRow[], serviceAt: (address: IpAddress) => string | undefined): NameTrouble[] {
  return rows.flatMap(({ name, addresses }) => {
    const [first] = addresses.flatMap(({ address }) => {
      const service = serviceAt(address);
      return service === undefined ? [] : [`${address} is the Service ${service}, whose endpoints rules see: name it by toServices`];
    });
    return first === undefined ? [] : [{ name, reason: first }];
  });
}
