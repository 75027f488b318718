import { type Frontend, resolveOnce, type ServiceChoice } from "#core/services/index.ts";
import type { EndpointSlice, Service } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import { createTable, type ReadTable } from "#lib/table/index.ts";
import type { ServiceRow } from "../flows/index.ts";

const serviceNameLabel = "kubernetes.io/service-name";

/** The `namespace/name` of the Service that a slice belongs to; slices of no Service have none. */
export function serviceOfSlice({ metadata }: EndpointSlice): readonly string[] {
  const name = metadata.labels?.[serviceNameLabel];
  return name === undefined ? [] : [`${metadata.namespace}/${name}`];
}

/** The index that {@link followServices} needs on its slices. */
export const sliceIndexes = { service: serviceOfSlice } as const;

export interface FollowServicesOptions extends ServiceChoice {
  readonly runtime: Pick<Runtime, "clock" | "logger">;
  readonly services: ReadTable<Service>;
  /** With {@link sliceIndexes}. */
  readonly slices: ReadTable<EndpointSlice>;
}

/** What the switch serves, Service by Service. A burst of slices is one change. Synced when both sources are. */
export function followServices({ runtime, services, slices, ...choice }: FollowServicesOptions): ReadTable<ServiceRow> {
  const logger = runtime.logger.with({ component: "services" });
  const table = createTable<ServiceRow>({ name: "services", key: ({ key }) => key, same: sameRow });
  const complete = table.initializer("services and their endpoints");
  const told = new Map<string, string>();
  const dirty = new Set<string>();
  let synced = false;

  const tell = (key: string, problems: readonly string[]): void => {
    const text = problems.join("; ");
    if (text === (told.get(key) ?? "")) return;
    if (text === "") told.delete(key);
    else {
      told.set(key, text);
      logger.warn("a Service is not served in full", { service: key, problems });
    }
  };
  const compute = (): void => {
    for (const key of dirty) {
      const service = services.get(key);
      const { frontends, problems } =
        service === undefined ? { frontends: [], problems: [] } : resolveOnce(service, slices.by("service", key), choice);
      tell(key, problems);
      if (frontends.length === 0) table.delete(key);
      else table.upsert({ key, frontends });
    }
    dirty.clear();
  };
  const touch = (key: string): void => {
    dirty.add(key);
    if (synced && dirty.size === 1) runtime.clock.soon(compute);
  };
  services.subscribe(({ key }) => touch(key), { replay: true });
  slices.subscribe(
    ({ before, after }) => {
      for (const slice of [before, after]) if (slice !== undefined) serviceOfSlice(slice).forEach(touch);
    },
    { replay: true },
  );
  // Before both are known, a Service would seem to have no endpoints and its clients would be refused.
  void Promise.all([services.whenSynced(), slices.whenSynced()]).then(() => {
    synced = true;
    compute();
    complete();
  });
  return table;
}

const sameRow = (before: ServiceRow, after: ServiceRow): boolean =>
  before.frontends === after.frontends || textOf(before.frontends) === textOf(after.frontends);

/** By list, which never changes: what was made of the same objects is one list for all that were told of them. */
const texts = new WeakMap<readonly Frontend[], string>();
function textOf(frontends: readonly Frontend[]): string {
  const text = texts.get(frontends) ?? JSON.stringify(frontends, plain);
  texts.set(frontends, text);
  return text;
}
const plain = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value);
