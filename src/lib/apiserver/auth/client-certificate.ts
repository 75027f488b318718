import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import type { Clock } from "#lib/runtime/clock.ts";
import type { UserInfo } from "../user.ts";
import type { Authenticator } from "./authenticator.ts";

/** Users by client certificate: the common name is the user, organizations are its groups. Only certificates of `authorities` (PEM) count. */
export function clientCertificateAuthenticator(options: { readonly authorities: readonly string[]; readonly clock: Clock }): Authenticator {
  const authorities = options.authorities.map((pem) => new X509Certificate(pem));
  const known = new WeakMap<object, VerifiedClient | undefined>();
  return {
    authenticate(request) {
      const client = verifiedClient(request, authorities, known);
      if (client === undefined || client.notAfter <= options.clock.wall()) return undefined;
      return client.user;
    },
  };
}

export interface VerifiedClient {
  readonly user: UserInfo;
  readonly notAfter: number;
}

/** The client of a connection whose certificate one of `authorities` has signed. Checked once per connection. */
export function verifiedClient(
  request: IncomingMessage,
  authorities: readonly X509Certificate[],
  known: WeakMap<object, VerifiedClient | undefined>,
): VerifiedClient | undefined {
  const socket = request.socket as TLSSocket;
  if (known.has(socket)) return known.get(socket);
  const client = socket.authorized ? clientOf(socket, authorities) : undefined;
  known.set(socket, client);
  return client;
}

function clientOf(socket: TLSSocket, authorities: readonly X509Certificate[]): VerifiedClient | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  if (!authorities.some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey))) return undefined;
  const { subject } = socket.getPeerCertificate() as DetailedPeerCertificate;
  const organizations = subject.O === undefined ? [] : [subject.O].flat();
  return { user: { username: [subject.CN ?? ""].flat()[0] ?? "", groups: organizations }, notAfter: certificate.validToDate.getTime() };
}
