import { dirname } from "node:path";
import { type IpAddress, tryParseAddress } from "#lib/ip/index.ts";
import { type Duration, errorCode, errorMessage, type Files, type Runtime, seconds, systemFiles } from "#lib/runtime/index.ts";

/**
 * For this long an address stays unused after its pod went: until every other node has heard that the address left the groups of its
 * policies, a new pod with it would be taken for the old one.
 */
export const quarantineTime: Duration = seconds(60);

/**
 * More records than this are not kept, the oldest go first: 68 pods with an address of each family a second for the whole time, where a node cannot
 * make 50 for long. 600 KB on disk.
 */
const mostRecords = 8_192;

/** Addresses kept back, on disk, so that a restart of the agent does not forget them. */
export interface Quarantine {
  has(address: string): boolean;
  readonly size: number;
  /** Resolves when the record is on disk. */
  add(addresses: readonly IpAddress[]): Promise<void>;
}

interface Kept {
  readonly until: number;
  /** As it stands in the file, which is written again for each pod that goes. */
  readonly record: string;
}

const keep = (address: string, until: number): Kept => ({
  until,
  record: JSON.stringify({ address, until: new Date(until).toISOString() }),
});

type QuarantineRuntime = Pick<Runtime, "clock" | "logger">;

/** Reads the record. One that cannot be read counts as empty, and is told of. */
export async function openQuarantine({
  runtime,
  path,
  files = systemFiles,
}: {
  readonly runtime: QuarantineRuntime;
  readonly path: string;
  readonly files?: Files;
}): Promise<Quarantine> {
  const { clock, logger } = runtime;
  /** The oldest first. */
  const kept = new Map<string, Kept>((await readRecord(path, files, logger)).map(([address, until]) => [address, keep(address, until)]));
  let writing: Promise<void> = Promise.resolve();
  let waiting = false;

  const expire = (): void => {
    const now = clock.wall();
    for (const [address, { until }] of kept) {
      // Of one time each, they end in the order in which they came; after the clock was set back, the first are the wrong ones.
      if (until > now && until <= now + quarantineTime && kept.size <= mostRecords) break;
      kept.delete(address);
    }
  };
  const write = async (): Promise<void> => {
    waiting = false;
    expire();
    await files.makeFolder(dirname(path));
    await files.replace(path, `{"addresses":[${Array.from(kept.values(), ({ record }) => record).join()}]}\n`);
  };

  return {
    has(address) {
      expire();
      return kept.has(address);
    },
    get size() {
      expire();
      return kept.size;
    },
    add(addresses) {
      for (const address of addresses.map(String)) {
        kept.delete(address);
        kept.set(address, keep(address, clock.wall() + quarantineTime));
      }
      // Whoever comes while a write runs shares the next one.
      if (!waiting) {
        waiting = true;
        writing = writing.then(write, write);
      }
      return writing;
    },
  };
}

async function readRecord(path: string, files: Files, logger: Runtime["logger"]): Promise<[string, number][]> {
  try {
    const record = JSON.parse(await files.read(path)) as { readonly addresses?: unknown } | null;
    if (!Array.isArray(record?.addresses)) throw new TypeError("addresses is no list");
    return record.addresses.flatMap((entry: { readonly address?: unknown; readonly until?: unknown } | null): [string, number][] => {
      const address = tryParseAddress(String(entry?.address));
      const end = Date.parse(String(entry?.until));
      return address === undefined || Number.isNaN(end) ? [] : [[String(address), end]];
    });
  } catch (error) {
    if (errorCode(error) !== "ENOENT")
      logger.warn("address quarantine cannot be read and starts empty", { path, error: errorMessage(error) });
    return [];
  }
}
