import type { BootstrapObject } from "#lib/apiserver/auth/bootstrap.ts";
import type { KubeObject } from "#lib/kube/types.ts";

/** What servers behind this one read to know its users: the authorities (PEM) of client certificates and of the front proxy. */
export function authenticationConfig({
  clientCa,
  frontProxyCa,
}: {
  readonly clientCa?: string;
  readonly frontProxyCa: string;
}): BootstrapObject {
  const object = {
    metadata: { name: "extension-apiserver-authentication", namespace: "kube-system" },
    data: {
      ...(clientCa === undefined ? {} : { "client-ca-file": clientCa }),
      "requestheader-client-ca-file": frontProxyCa,
      "requestheader-allowed-names": '["front-proxy-client"]',
      "requestheader-username-headers": '["X-Remote-User"]',
      "requestheader-group-headers": '["X-Remote-Group"]',
      "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    },
  } as KubeObject;
  return { resource: { group: "", resource: "configmaps" }, object };
}
