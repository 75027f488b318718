import type { ServerResponse } from "node:http";
import type { CriClient } from "#lib/cri/index.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { LogSelection } from "./container-log.ts";
import { RequestRefused } from "./errors.ts";
import { streamLog } from "./log-stream.ts";
import type { KubeletPod } from "./pod.ts";
import { currentRun, observedOf, parsePath } from "./streaming.ts";

interface LogSources {
  readonly runtime: Runtime;
  readonly cri: CriClient;
  readonly pods: () => readonly KubeletPod[];
}

/** Answers `/containerLogs/NAMESPACE/POD/CONTAINER` with the options of core/v1 PodLogOptions. */
export async function serveLogs(sources: LogSources, url: URL, response: ServerResponse): Promise<void> {
  const target = parsePath(url.pathname);
  const selection = readSelection(url.searchParams, sources.runtime.clock.wall());
  const observed = await observedOf(sources, target);
  const name = target.container ?? "";
  const current = currentRun(observed, name);
  const previous = observed.containers.filter((container) => container.name === name)[1];
  const wantsPrevious = isTrue(url.searchParams, "previous");
  const container = wantsPrevious ? previous : current;
  if (container === undefined)
    throw new RequestRefused(
      400,
      wantsPrevious
        ? `previous terminated container ${JSON.stringify(name)} in pod ${JSON.stringify(target.pod)} not found`
        : `container ${JSON.stringify(name)} in pod ${JSON.stringify(target.pod)} is waiting to start`,
    );
  const ended = new AbortController();
  response.on("close", () => ended.abort());
  response.writeHead(200, { "content-type": "text/plain" });
  // the head at once: whoever follows a silent container wants to know that it works
  response.flushHeaders();
  const running = async (): Promise<boolean> => {
    const { status } = await sources.cri.containerStatus({ containerId: container.id });
    return status?.state === "CONTAINER_RUNNING";
  };
  const { clock } = sources.runtime;
  for await (const text of streamLog({ ...selection, file: container.logPath, clock, running, signal: ended.signal }))
    if (!response.write(text)) await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
  response.end();
}

function readSelection(query: URLSearchParams, now: number): LogSelection {
  const tailLines = whole(query, "tailLines");
  const limitBytes = whole(query, "limitBytes");
  const sinceSeconds = whole(query, "sinceSeconds");
  const sinceTime = query.get("sinceTime");
  const since = sinceSeconds !== undefined ? now - seconds(sinceSeconds) : sinceTime === null ? undefined : Date.parse(sinceTime);
  if (since !== undefined && Number.isNaN(since))
    throw new RequestRefused(400, `sinceTime: ${JSON.stringify(sinceTime)} is not an RFC 3339 time`);
  return {
    follow: isTrue(query, "follow"),
    timestamps: isTrue(query, "timestamps"),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since }),
  };
}

const isTrue = (query: URLSearchParams, name: string): boolean => ["1", "true"].includes(query.get(name) ?? "");

function whole(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RequestRefused(400, `${name}: ${JSON.stringify(text)} is not a whole number from 0`);
  return value;
}
