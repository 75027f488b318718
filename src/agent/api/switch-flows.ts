import type { Pipeline } from "#core/pipeline/index.ts";
import type { FlowFilter, OpenFlowConnection } from "#lib/openflow/connection.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import { formatGroup } from "#lib/openflow/group-text.ts";
import type { SwitchControl } from "../platform.ts";
import { errorMessage, type Runtime, seconds } from "#lib/runtime/index.ts";
import { Refusal } from "./server.ts";
import type { AgentView, FlowText } from "./view.ts";

/** vswitchd greets nobody while its database is away, and people would rather be told than wait. */
const patience = seconds(2);

/** Reads the switch's flows for people, each time over a connection of its own: the agent's own work is not held up. */
export function switchFlows(options: {
  readonly runtime: Runtime;
  readonly control: SwitchControl;
  readonly connect: (signal: AbortSignal) => Promise<OpenFlowConnection>;
  readonly pipeline: Pipeline;
  /** Cookies of the flows that a policy's rules have. */
  readonly cookiesOf: (policy: string) => readonly bigint[];
  /** Cookies of the flows that a Service has. */
  readonly cookiesOfService: (service: string) => readonly bigint[];
}): AgentView["switch"] {
  const { runtime, control, connect, pipeline, cookiesOf, cookiesOfService } = options;
  const connected = async <T>(use: (connection: OpenFlowConnection) => Promise<T>): Promise<T> => {
    const enough = new AbortController();
    const timer = runtime.clock.after(patience, () => enough.abort(new Error(`no answer within ${patience / 1_000} s`)));
    const connection = await connect(enough.signal)
      .catch((error: unknown) => {
        throw new Refusal(503, `the switch does not answer: ${errorMessage(error)}`);
      })
      .finally(() => timer.cancel());
    try {
      return await use(connection);
    } finally {
      connection.close();
    }
  };
  const tableName = (table: number): string | undefined => pipeline.nameOf(table);
  const dump = (filter: FlowFilter, wanted: (cookie: bigint) => boolean = () => true): Promise<FlowText[]> =>
    connected(async (connection) => {
      const flows: FlowText[] = [];
      for await (const entry of connection.dumpFlows(filter)) {
        if (wanted(entry.cookie)) flows.push({ table: entry.table, text: formatFlow(entry, { stats: entry.stats, tableName }) });
      }
      return flows.sort((a, b) => a.table - b.table);
    });
  return {
    async version() {
      const answer = await control("version");
      return /\(Open vSwitch\) (\S+)/.exec(answer)?.[1] ?? "";
    },
    tableNames: new Map(pipeline.tables.map(({ number, name }) => [number, name])),
    dump: (table) => dump(table === undefined ? {} : { table }),
    counts: () => connected(async (connection) => new Map((await connection.tables()).map(({ table, flows }) => [table, flows]))),
    ofPolicy(uid) {
      const cookies = new Set(cookiesOf(uid));
      return dump({}, (cookie) => cookies.has(cookie));
    },
    async ofService(service) {
      const cookies = new Set(cookiesOfService(service));
      return cookies.size === 0 ? undefined : dump({}, (cookie) => cookies.has(cookie));
    },
    groups: (ids) =>
      connected(async (connection) => {
        const groups = await connection.dumpGroups();
        return groups.filter(({ group }) => ids?.includes(group) ?? true).map((group) => formatGroup(group, { tableName }));
      }),
  };
}
