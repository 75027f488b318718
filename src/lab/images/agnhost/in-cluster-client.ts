import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { seconds } from "#lib/runtime/duration.ts";
import { readFlags } from "./flags.ts";
import { getInCluster } from "./in-cluster.ts";
import { readFileSync } from "node:fs";

const tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * `inclusterclient [--poll-interval=SECONDS]`: asks the API server again and again how it is, as the pod's account. Suites see in the log by a hash of what was shown that
 * the token was renewed, and that none was refused.
 */
export async function inClusterClient(args: readonly string[], complain: (line: string) => void): Promise<never> {
  const interval = seconds(readFlags(args, ["poll-interval"]).number("poll-interval", 30));
  const { KUBERNETES_SERVICE_HOST: host = "", KUBERNETES_SERVICE_PORT: port = "443" } = process.env;
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  for (;;) {
    await pause(interval);
    const token = readFileSync(tokenFile, "utf8").trim();
    complain(`authz_header=${createHash("sha256").update(token).digest("base64url")}`);
    complain("calling /healthz");
    try {
      await getInCluster(`${server}/healthz`);
    } catch (error) {
      complain("status=failed");
      complain(`error checking /healthz: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
