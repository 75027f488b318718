import type { ApiServer } from "#lib/apiserver/server.ts";
import { errorCode } from "#lib/runtime/errors.ts";

/** Listens on all addresses of both families, or of IPv4 alone where the machine has no IPv6. Throws ListenFailed. */
export async function listenEverywhere(server: ApiServer, port: number): Promise<{ readonly port: number }> {
  try {
    return await server.listen({ host: "::", port });
  } catch (error) {
    if (errorCode((error as Error).cause) !== "EAFNOSUPPORT") throw error;
    return server.listen({ host: "0.0.0.0", port });
  }
}
