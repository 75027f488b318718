import { X509Certificate } from "node:crypto";
import { configMaps, type KubeClient, reflect } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** Whom the Kubernetes API trusts, as it publishes for the servers behind it. */
export interface ClusterAuthorities {
  /** Authorities of clients that show a certificate of their own. PEM. */
  readonly clientCa: string;
  /** How the Kubernetes API passes on who asked: absent when it does not. */
  readonly frontProxy?: {
    readonly ca: string;
    /** Common names that may speak for others; empty = every certificate of `ca`. */
    readonly allowedNames: readonly string[];
    readonly usernameHeaders: readonly string[];
    readonly groupHeaders: readonly string[];
    readonly extraHeaderPrefixes: readonly string[];
  };
}

const namespace = "kube-system";
const name = "extension-apiserver-authentication";

/** Follows ConfigMap kube-system/extension-apiserver-authentication. `changed` hears every new content, also the first. */
export function followClusterAuthorities(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  readonly changed: (authorities: ClusterAuthorities) => void;
}): { whenSynced(): Promise<void> } {
  const { changed, ...source } = options;
  const maps = reflect({ ...source, resource: configMaps, namespace, fieldSelector: `metadata.name=${name}` });
  maps.subscribe(({ after }) => changed(readClusterAuthorities(after?.data ?? {})));
  return { whenSynced: () => maps.whenSynced() };
}

/** Total: what is missing or unreadable is trusted by nobody. */
export function readClusterAuthorities(data: Readonly<Record<string, string>>): ClusterAuthorities {
  const ca = data["requestheader-client-ca-file"] ?? "";
  const usernameHeaders = listOf(data["requestheader-username-headers"]);
  return {
    clientCa: data["client-ca-file"] ?? "",
    ...(ca !== "" &&
      usernameHeaders.length > 0 && {
        frontProxy: {
          ca,
          allowedNames: listOf(data["requestheader-allowed-names"]),
          usernameHeaders,
          groupHeaders: listOf(data["requestheader-group-headers"]),
          extraHeaderPrefixes: listOf(data["requestheader-extra-headers-prefix"]),
        },
      }),
  };
}

/** True when one of the authorities in `ca` (PEM, any number) signed `certificate`. */
export function signedBy(certificate: X509Certificate, ca: string): boolean {
  return certificatesOf(ca).some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
}

function certificatesOf(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

function listOf(json: string | undefined): string[] {
  try {
    const value: unknown = JSON.parse(json ?? "[]");
    return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}
