import type { CriClient } from "#lib/cri/index.ts";
import { type Clock, sleep } from "#lib/runtime/clock.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import type { LifecycleHandler } from "./pod.ts";
import { type ProbeTarget, tryProbe } from "./probe-attempt.ts";

/**
 * Runs a hook of a container for at most `limit`. Resolves with what went wrong, or undefined: a command that fails, an address that does not answer.
 * Any answer to an HTTP request is good enough, whatever its status (as with the stock kubelet).
 */
export async function runHook(options: {
  readonly clock: Clock;
  readonly cri: CriClient;
  readonly hook: LifecycleHandler;
  readonly target: ProbeTarget;
  readonly limit: Duration;
}): Promise<string | undefined> {
  const { clock, cri, hook, target, limit } = options;
  if (hook.sleep !== undefined) {
    await sleep(clock, Math.min(seconds(hook.sleep.seconds), limit));
    return undefined;
  }
  const { exec, httpGet, tcpSocket } = hook;
  const userAgent = { name: "user-agent", value: "kube-lifecycle/lab" };
  const probe = {
    timeoutSeconds: Math.max(1, Math.ceil(limit / seconds(1))),
    ...(exec === undefined ? {} : { exec }),
    ...(httpGet === undefined ? {} : { httpGet: { ...httpGet, httpHeaders: [userAgent, ...(httpGet.httpHeaders ?? [])] } }),
    ...(tcpSocket === undefined ? {} : { tcpSocket }),
  };
  const { outcome, message, answered = false } = await tryProbe(cri, probe, target);
  return outcome === "failure" && !answered ? message : undefined;
}
