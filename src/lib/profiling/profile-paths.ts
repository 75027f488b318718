import { type Clock, type Duration, seconds } from "#lib/runtime/index.ts";
import type { CallTree } from "./call-tree.ts";
import { ProfileRefused } from "./errors.ts";
import { profileMemory } from "./memory.ts";
import { encodePprof } from "./pprof.ts";
import { profileProcessorTime } from "./processor-time.ts";

/** Seconds of a profile for which none are asked: Go's. */
const usualSeconds = 30;
/** Longest profile. What is asked for by mistake must end by itself. */
const mostSeconds = 300;

export interface ProfileAnswer {
  readonly contentType: string;
  readonly body: Buffer;
}
export type ProfilePath = (query: URLSearchParams, signal: AbortSignal) => Promise<ProfileAnswer>;

/**
 * The paths below `/debug/pprof` that have a meaning here, for `go tool pprof` and whoever asks with curl: `profile`, `heap`, `allocs`, `cmdline` and a list of them. One
 * profile at a time; each throws {@link ProfileRefused}. Who may ask is the server's matter.
 */
export function profilePaths({ clock }: { readonly clock: Clock }): Readonly<Record<string, ProfilePath>> {
  let busy = false;
  const profile =
    (take: (duration: Duration, signal: AbortSignal) => Promise<CallTree>): ProfilePath =>
    async (query, signal) => {
      const duration = readDuration(query);
      if (busy) throw new ProfileRefused(409, "another profile is being made: try again when it is done");
      busy = true;
      try {
        return { contentType: "application/octet-stream", body: encodePprof(await take(duration, signal)) };
      } finally {
        busy = false;
      }
    };
  const text = (body: string): ProfilePath => {
    const answer: ProfileAnswer = { contentType: "text/plain; charset=utf-8", body: Buffer.from(body) };
    return () => Promise.resolve(answer);
  };
  const profiles = {
    allocs: profile((duration, signal) => profileMemory({ clock, duration, which: "allocated", signal })),
    heap: profile((duration, signal) => profileMemory({ clock, duration, which: "kept", signal })),
    profile: profile((duration, signal) => profileProcessorTime({ clock, duration, signal })),
  };
  const list = [
    `allocs   where memory is made during ?seconds=N (${usualSeconds})`,
    "heap     where memory is made meanwhile that is still in use at the end",
    "profile  what the processor does meanwhile",
    "cmdline  how this process was called",
  ];
  const index = text(`${list.join("\n")}\n`);
  return {
    "/debug/pprof": index,
    "/debug/pprof/": index,
    "/debug/pprof/cmdline": text(process.argv.join("\0")),
    ...Object.fromEntries(Object.entries(profiles).map(([name, path]) => [`/debug/pprof/${name}`, path])),
  };
}

function readDuration(query: URLSearchParams): Duration {
  if (query.has("debug") && query.get("debug") !== "0")
    throw new ProfileRefused(400, "debug: profiles are not told as text; read them with `go tool pprof`");
  const text = query.get("seconds") ?? String(usualSeconds);
  const wanted = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (wanted < 1 || wanted > mostSeconds)
    throw new ProfileRefused(400, `seconds ${JSON.stringify(text)} is not a whole number from 1 to ${mostSeconds}`);
  return seconds(wanted);
}
