import { minutes } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { providedCertificate, type ServingCertificate } from "./serving-certificate.ts";

/** A mounted Secret changes in its own time; the files are read this often. */
const checkInterval = minutes(1);

/**
 * Serves with the pair in `folder`, and with what it becomes. Resolves when the first was handed to `changed`; throws UnusableCertificate when it cannot be
 * used. Later, one that cannot be used is told, and the former stays.
 */
export async function followProvidedCertificate(options: {
  readonly runtime: Runtime;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly changed: (certificate: ServingCertificate) => void;
}): Promise<void> {
  const { runtime, folder, signal, changed } = options;
  let present = await providedCertificate(folder);
  changed(present);
  const look = async (): Promise<void> => {
    const found = await providedCertificate(folder);
    if (found.certificate === present.certificate && found.key === present.key && found.authority === present.authority) return;
    changed(found);
    present = found;
  };
  const check = (): void => {
    if (signal.aborted) return;
    look().catch((error: unknown) => runtime.logger.warn("keeps the certificate it has", { error: errorMessage(error) }));
    runtime.clock.after(checkInterval, check, { background: true });
  };
  runtime.clock.after(checkInterval, check, { background: true });
}
