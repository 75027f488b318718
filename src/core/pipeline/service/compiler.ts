import type { Frontend } from "#core/services/index.ts";
import type { FlowLedger } from "../flow-ledger.ts";
import type { GroupLedger } from "../group-ledger.ts";
import type { Pipeline } from "../tables.ts";
import { type ContentKey, compileOnce, keysOfFrontends } from "./compile-once.ts";
import { type ContentIds, createContentIds } from "./content-ids.ts";
import type { ServiceNumbers } from "./service-numbers.ts";

/** Groups of each bank of tables have a third of what a group may be numbered (OFPG_MAX is 0xffffff00). A stranger's, numbered from 1 on, are not met by those of the last. */
const groupsOfBank = 0x5555_5500;
const lastEndpoint = 0xffff_ffff;

/** Services into the ledgers. */
export interface ServiceCompiler {
  /** Makes what the Service (`namespace/name`) has in the switch exactly these frontends; none removes it. */
  set(service: string, frontends: readonly Frontend[]): void;
}

/** The ledgers' owner of all that a Service has. */
export const serviceOwner = (service: string): string => `service/${service}`;

type Held = Pick<ServiceNumbers, "release">;

export function createServiceCompiler(options: {
  readonly pipeline: Pipeline;
  readonly flows: FlowLedger;
  readonly groups: GroupLedger;
  readonly numbers: ServiceNumbers;
}): ServiceCompiler {
  const { pipeline, flows, groups, numbers } = options;
  const groupNumbers = createContentIds({ last: groupsOfBank });
  const endpointNumbers = createContentIds({ last: lastEndpoint });
  /** What the present flows of a Service hold numbers for. */
  const held = new Map<string, readonly (readonly [Held, string])[]>();
  return {
    set(service, frontends) {
      const holding: [Held, string][] = [];
      const hold = (ids: ContentIds, { key, digest }: ContentKey): number => {
        holding.push([ids, key]);
        return ids.hold(key, digest);
      };
      if (frontends.length > 0) holding.push([numbers, service]);
      const compiled = compileOnce(pipeline, frontends, {
        service: frontends.length === 0 ? 0 : numbers.hold(service),
        frontends: keysOfFrontends(frontends).map(({ group, endpoints }) => ({
          group: hold(groupNumbers, group) + pipeline.layout.bank * groupsOfBank,
          endpoints: endpoints.map((endpoint) => hold(endpointNumbers, endpoint)),
        })),
      });
      const owner = serviceOwner(service);
      groups.set(owner, compiled.groups);
      flows.set(owner, compiled.flows);
      for (const [ids, key] of held.get(service) ?? []) ids.release(key);
      if (holding.length > 0) held.set(service, holding);
      else held.delete(service);
    },
  };
}
