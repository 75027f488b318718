import { rename, writeFile } from "node:fs/promises";
import type { KubeClient, KubeObject } from "#lib/kube/index.ts";
import { retryUntilDone } from "#lib/runtime/backoff.ts";
import { hours, milliseconds, minutes } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

interface TokenRequest extends KubeObject {
  readonly spec: { readonly expirationSeconds: number };
  readonly status?: { readonly token: string; readonly expirationTimestamp: string };
}

/** Asked for; the API may give less. */
const wantedLife = hours(24);
/** When a token is renewed, as a part of its life; the stock kubelet's. */
const renewedAfter = 0.8;
const shortestWait = minutes(1);

/** Keeps a valid token of a service account in kube-system in `file` (mode 0600), until `signal` aborts. Resolves when the first is there. */
export async function keepServiceAccountToken(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly name: string;
  readonly file: string;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { runtime, client, name, file, signal } = options;
  const renew = async (): Promise<number> => {
    const target = { namespace: "kube-system", name };
    const request: TokenRequest = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: {},
      spec: { expirationSeconds: wantedLife / 1_000 },
    };
    const path = `/api/v1/namespaces/${target.namespace}/serviceaccounts/${name}/token`;
    const answer = (await client.json({ method: "POST", path, body: JSON.stringify(request) })) as TokenRequest;
    await writeFile(`${file}.new`, answer.status?.token ?? "", { mode: 0o600 });
    await rename(`${file}.new`, file);
    return Date.parse(answer.status?.expirationTimestamp ?? "") - runtime.clock.wall();
  };
  const again = (life: number): void => {
    const wait = milliseconds(Math.max(shortestWait, life * renewedAfter));
    runtime.clock.after(
      wait,
      () => {
        if (signal.aborted) return;
        renew().then(again, (error: unknown) => {
          runtime.logger.warn("a token is not renewed; trying again", { serviceAccount: name, error: errorMessage(error) });
          again(0);
        });
      },
      { background: true },
    );
  };
  again(await retryUntilDone(runtime, renew, { signal: AbortSignal.any([signal, AbortSignal.timeout(20_000)]) }));
}
