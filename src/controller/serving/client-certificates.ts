import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { X509Certificate } from "node:crypto";
import type { Authenticator } from "#lib/apiserver/auth/authenticator.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { type ClusterAuthorities, signedBy } from "./cluster-authorities.ts";

export interface ClientCertificatesOptions {
  readonly authorities: () => ClusterAuthorities;
  readonly clock: Clock;
}

/**
 * Users who show a certificate of the cluster's client authority, and users on whose behalf the Kubernetes API asks: the headers count only when
 * its own front-proxy certificate is shown.
 */
export function clientCertificates({ authorities, clock }: ClientCertificatesOptions): Authenticator {
  return {
    authenticate(request) {
      const certificate = (request.socket as TLSSocket).getPeerX509Certificate?.();
      if (certificate === undefined) return undefined;
      const now = clock.wall();
      if (now < certificate.validFromDate.getTime() || now > certificate.validToDate.getTime()) return undefined;
      return frontProxyUser(request, certificate, authorities()) ?? certificateUser(certificate, authorities());
    },
  };
}

function certificateUser(certificate: X509Certificate, { clientCa }: ClusterAuthorities): UserInfo | undefined {
  const username = subject(certificate, "CN")[0];
  if (username === undefined || !signedBy(certificate, clientCa)) return undefined;
  return { username, groups: subject(certificate, "O") };
}

function frontProxyUser(request: IncomingMessage, certificate: X509Certificate, { frontProxy }: ClusterAuthorities): UserInfo | undefined {
  if (frontProxy === undefined || !signedBy(certificate, frontProxy.ca)) return undefined;
  const { allowedNames, usernameHeaders, groupHeaders, extraHeaderPrefixes } = frontProxy;
  if (allowedNames.length > 0 && !subject(certificate, "CN").some((name) => allowedNames.includes(name))) return undefined;
  const headers = distinctHeaders(request);
  const values = (name: string): readonly string[] => headers.get(name.toLowerCase()) ?? [];
  const username = usernameHeaders.flatMap(values)[0];
  if (username === undefined || username === "") return undefined;
  const extra: Record<string, readonly string[]> = {};
  for (const prefix of extraHeaderPrefixes.map((text) => text.toLowerCase()))
    for (const name of headers.keys()) if (name.startsWith(prefix)) extra[decoded(name.slice(prefix.length))] = values(name);
  return { username, groups: groupHeaders.flatMap(values), ...(Object.keys(extra).length > 0 && { extra }) };
}

/** Every value of each header, by its name in lower case. Requests of HTTP/2 have no `headersDistinct`. */
function distinctHeaders({ rawHeaders }: IncomingMessage): ReadonlyMap<string, readonly string[]> {
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), rawHeaders[index + 1] ?? ""]);
  }
  return headers;
}

/** The values of one attribute of the subject, as `node:crypto` prints it: one `KEY=value` a line. */
function subject(certificate: X509Certificate, attribute: string): string[] {
  return certificate.subject
    .split("\n")
    .filter((line) => line.startsWith(`${attribute}=`))
    .map((line) => line.slice(attribute.length + 1));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
