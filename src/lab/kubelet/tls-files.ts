import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { minutes } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeletConfig } from "./config.ts";

/** What the HTTPS server shows, and by what it knows clients; all PEM. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** How long a renewed certificate may wait to be shown. Certificates are renewed when a tenth of their life is left, at the least. */
const lookEvery = minutes(1);

/** The files of the kubelet's HTTPS server, which others replace when certificates are renewed. */
export function createTlsFiles({
  tlsCertFile,
  tlsKeyFile,
  clientCaFile,
}: Pick<KubeletConfig, "tlsCertFile" | "tlsKeyFile" | "clientCaFile">) {
  let shown: TlsMaterial | undefined;
  const read = async (): Promise<TlsMaterial> => {
    const text = (file: string): Promise<string> => readFile(file, "utf8");
    const [cert, key, ca] = await Promise.all([text(tlsCertFile), text(tlsKeyFile), text(clientCaFile)]);
    // Throws where a certificate and a key are not of one pair.
    createSecureContext({ cert, key, ca });
    return { cert, key, ca };
  };
  return {
    /** Throws what the file system says, or that certificate and key are no pair. */
    async read(): Promise<TlsMaterial> {
      shown = await read();
      return shown;
    },
    /** Looks every minute, until `signal` aborts, and hands on what is new. What can't be used is left for the next look. */
    follow(
      { runtime, signal }: { readonly runtime: Runtime; readonly signal: AbortSignal },
      changed: (material: TlsMaterial) => void,
    ): void {
      const look = async (): Promise<void> => {
        const found = await read();
        if (shown !== undefined && (["cert", "key", "ca"] as const).every((part) => found[part] === shown?.[part])) return;
        shown = found;
        changed(found);
      };
      const again = (): void => {
        if (signal.aborted) return;
        runtime.clock.after(
          lookEvery,
          () => {
            look()
              .catch((error: unknown) => runtime.logger.warn("the kubelet's certificate is not read anew", { error: errorMessage(error) }))
              .finally(again);
          },
          { background: true },
        );
      };
      again();
    },
  };
}
