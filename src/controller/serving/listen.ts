import type { ApiServer } from "#lib/apiserver/server.ts";
import { hours } from "#lib/runtime/duration.ts";
import { errorCode } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { endOf, renewBefore, type ServingCertificate } from "./serving-certificate.ts";

const checkInterval = hours(24);

/**
 * Listens on every address, and starts over with a new certificate when the present one nears its end. Agents reconnect as after any restart.
 * Resolves when it listens first, with the port. Throws ListenFailed.
 */
export async function keepListening(options: {
  readonly runtime: Runtime;
  readonly port: number;
  readonly certificate: () => Promise<ServingCertificate>;
  readonly createServer: (certificate: ServingCertificate) => ApiServer;
  /** Hears of each certificate in use, the first included. */
  readonly serving: (certificate: ServingCertificate) => void;
  readonly signal: AbortSignal;
}): Promise<{ readonly port: number; closed(): Promise<void> }> {
  const { runtime, certificate, createServer, serving, signal } = options;
  let present = await certificate();
  let server = createServer(present);
  const { port } = await listenEverywhere(server, options.port);
  serving(present);

  const renew = async (): Promise<void> => {
    const next = await certificate();
    if (next.certificate === present.certificate) return;
    runtime.logger.info("serving with a new certificate", { until: new Date(endOf(next)).toISOString() });
    present = next;
    await server.close();
    server = createServer(present);
    await listenEverywhere(server, port);
    serving(present);
  };
  const check = (): void => {
    if (signal.aborted) return;
    if (endOf(present) - runtime.clock.wall() < renewBefore)
      renew().catch((error: unknown) => runtime.logger.error("the certificate cannot be renewed", { error }));
    runtime.clock.after(checkInterval, check, { background: true });
  };
  runtime.clock.after(checkInterval, check, { background: true });
  return { port, closed: () => server.close() };
}

/** On all addresses of both families, or of IPv4 alone where the machine has no IPv6. */
async function listenEverywhere(server: ApiServer, port: number): Promise<{ readonly port: number }> {
  try {
    return await server.listen({ host: "::", port });
  } catch (error) {
    if (errorCode((error as Error).cause) !== "EAFNOSUPPORT") throw error;
    return server.listen({ host: "0.0.0.0", port });
  }
}
