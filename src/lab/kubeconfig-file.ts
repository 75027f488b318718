import { stringify } from "yaml";

/** By what a user is known: a client certificate, a token, or a file that holds the certificate (and its key) or the token of the moment. */
export interface Credentials {
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly certificateFile?: string | undefined;
}

/** The text of a kubeconfig with one context. */
export function formatKubeconfig(options: {
  readonly server: string;
  /** The name of cluster and context. */
  readonly cluster: string;
  readonly user: string;
  readonly authority?: string | undefined;
  /** The name to expect in the server's certificate, where it is not the host of `server`. */
  readonly tlsServerName?: string | undefined;
  readonly credentials: Credentials;
}): string {
  const { server, cluster, user, authority, tlsServerName, credentials } = options;
  const base64 = (text: string | undefined): string | undefined => (text === undefined ? undefined : Buffer.from(text).toString("base64"));
  const { certificate, key, token, tokenFile, certificateFile } = credentials;
  const inFile = { "client-certificate": certificateFile, "client-key": certificateFile };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: cluster, cluster: { server, "certificate-authority-data": base64(authority), "tls-server-name": tlsServerName } }],
    users: [
      { name: user, user: { "client-certificate-data": base64(certificate), "client-key-data": base64(key), ...inFile, token, tokenFile } },
    ],
    contexts: [{ name: cluster, context: { cluster, user } }],
    "current-context": cluster,
  });
}
