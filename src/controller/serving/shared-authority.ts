import { createWorkqueue, isConflict, type KubeClient, reflect, secrets } from "#lib/kube/index.ts";
import { minutes } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { type Authorities, bundleOf, nextAuthorities, readAuthorities, writeAuthorities } from "./authorities.ts";
import { issueServingCertificate, needsReplacement, type ServingCertificate } from "./serving-certificate.ts";

const secretName = "antrea-ca";
/** How often it is looked whether an authority or a certificate is due. */
const checkInterval = minutes(10);

/** The certificate of this replica, from an authority that all replicas share. */
export interface SharedAuthority {
  /** Why there is no certificate yet, or undefined. */
  readonly problem: string | undefined;
}

/**
 * Follows Secret `antrea-ca`. The first replica that finds it empty fills it, any replica renews it in time, and each signs its own certificate.
 * `changed` hears of each certificate to serve with, and of each new set of authorities to trust.
 */
export function followSharedAuthority(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly namespace: string;
  readonly signal: AbortSignal;
  readonly changed: (certificate: ServingCertificate) => void;
}): SharedAuthority {
  const { runtime, client, namespace, signal, changed } = options;
  const table = reflect({ runtime, client, signal, resource: secrets, namespace, fieldSelector: `metadata.name=${secretName}` });
  let serving: ServingCertificate | undefined;
  let problem: string | undefined = `Secret ${namespace}/${secretName} has not been read`;

  const serve = (authorities: Authorities): void => {
    const authority = bundleOf(authorities);
    const isSame = serving !== undefined && !needsReplacement(runtime, serving, { signer: authorities.current, namespace });
    if (serving !== undefined && isSame && serving.authority === authority) return;
    const pair = serving !== undefined && isSame ? serving : issueServingCertificate(runtime, { signer: authorities.current, namespace });
    serving = { ...pair, authority };
    problem = undefined;
    changed(serving);
  };
  const work = async (): Promise<void> => {
    const found = table.get(`${namespace}/${secretName}`);
    if (found === undefined) {
      if (table.synced) problem ??= `Secret ${namespace}/${secretName} is not there: apply the deployment's manifest`;
      return;
    }
    try {
      const present = readAuthorities(found.data ?? {});
      const wanted = nextAuthorities(runtime, present);
      if (present !== undefined) serve(present);
      if (wanted === undefined) return;
      // With the resourceVersion that was read: when another replica wrote meanwhile, its authorities are taken, which the watch brings.
      await client.update(secrets, { ...found, data: writeAuthorities(wanted) });
      runtime.logger.info("wrote authorities for all replicas", { secret: secretName, announced: wanted.next !== undefined });
    } catch (error) {
      if (isConflict(error)) return;
      if (serving === undefined) problem = errorMessage(error);
      throw error;
    }
  };
  const queue = createWorkqueue({ runtime, name: "shared-authority", signal, work, concurrency: 1 });
  const check = (): void => {
    if (signal.aborted) return;
    queue.add(secretName);
    runtime.clock.after(checkInterval, check, { background: true });
  };
  table.subscribe(() => queue.add(secretName), { replay: true });
  void table.whenSynced().then(() => queue.add(secretName));
  runtime.clock.after(checkInterval, check, { background: true });
  return {
    get problem() {
      return serving === undefined ? problem : undefined;
    },
  };
}
