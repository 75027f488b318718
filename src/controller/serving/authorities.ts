import { createPrivateKey, X509Certificate } from "node:crypto";
import { createAuthority, type KeyPair } from "#lib/apiserver/certificates.ts";
import { hours } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { UnusableAuthority } from "../errors.ts";

/** The authorities that all replicas share, as they stand in Secret `antrea-ca`. */
export interface Authorities {
  /** Signs what every replica serves with. */
  readonly current: KeyPair;
  /** Trusted by clients already, and not used yet. */
  readonly next?: KeyPair;
  /** PEM of those that signed before and have not ended: what they signed may be in use. */
  readonly former: string;
}

/** Base64, as a Secret has it. */
export type AuthorityData = Readonly<Record<string, string>>;

const validity = hours(24 * 365);
/** An authority is replaced this long before it ends; antrea's own span. */
export const renewBefore = hours(24 * 90);
/** From the moment that clients may learn of a new authority to its first use. Watches carry it in seconds; APIs that were cut off get an hour. */
export const announcedFor = hours(1);
/** How far back `certificates.ts` dates a certificate. */
const backdating = hours(1);

/** What the authorities have to become by now; undefined when they are as they should be. */
export function nextAuthorities(sources: Pick<Runtime, "clock" | "random">, present: Authorities | undefined): Authorities | undefined {
  const now = sources.clock.wall();
  if (present === undefined) return { current: newAuthority(sources), former: "" };
  const { current, next } = present;
  const former = certificatesIn(present.former)
    .filter((pem) => endOf(pem) > now)
    .join("");
  // All were away for long: there is nobody left who trusts it.
  if (endOf(current.certificate) <= now) return { current: next ?? newAuthority(sources), former };
  if (next !== undefined && now - startOf(next.certificate) >= announcedFor)
    return { current: next, former: former + (endOf(current.certificate) > now ? current.certificate : "") };
  if (next === undefined && endOf(current.certificate) - now < renewBefore) return { ...present, former, next: newAuthority(sources) };
  return former === present.former ? undefined : { ...present, former };
}

/** What clients are told to trust. PEM. */
export const bundleOf = ({ current, next, former }: Authorities): string => current.certificate + (next?.certificate ?? "") + former;

/** Reads a Secret's data; undefined while it has none. Throws {@link UnusableAuthority} for what is there and cannot be used: it is not overwritten. */
export function readAuthorities(data: AuthorityData): Authorities | undefined {
  const text = (name: string): string => Buffer.from(data[name] ?? "", "base64").toString("utf8");
  const pair = (name: string): KeyPair | undefined => {
    const found = { certificate: text(`${name}.crt`), key: text(`${name}.key`) };
    if (found.certificate === "" && found.key === "") return undefined;
    let fits = false;
    try {
      fits = new X509Certificate(found.certificate).checkPrivateKey(createPrivateKey(found.key));
    } catch {
      // neither is shown: one of them is a secret
    }
    if (!fits) throw new UnusableAuthority(`${name}.key does not belong to ${name}.crt`);
    return found;
  };
  const current = pair("ca");
  const next = pair("next");
  if (current === undefined) return undefined;
  return { current, ...(next === undefined ? {} : { next }), former: certificatesIn(text("former.crt")).join("") };
}

export function writeAuthorities({ current, next, former }: Authorities): AuthorityData {
  const parts = {
    "ca.crt": current.certificate,
    "ca.key": current.key,
    ...(next === undefined ? {} : { "next.crt": next.certificate, "next.key": next.key }),
    ...(former === "" ? {} : { "former.crt": former }),
  };
  return Object.fromEntries(Object.entries(parts).map(([name, pem]) => [name, Buffer.from(pem).toString("base64")]));
}

function newAuthority(sources: Pick<Runtime, "clock" | "random">): KeyPair {
  // Names differ from one to the next, as clients may know several.
  const serial = Buffer.from(sources.random.bytes(4)).toString("hex");
  return createAuthority(sources, { commonName: `antrea-ca@${serial}`, validity });
}

const endOf = (pem: string): number => new X509Certificate(pem).validToDate.getTime();
const startOf = (pem: string): number => new X509Certificate(pem).validFromDate.getTime() + backdating;

/** Each readable certificate of a PEM text. */
function certificatesIn(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
  return blocks.filter((block) => {
    try {
      return new X509Certificate(block).ca;
    } catch {
      return false;
    }
  });
}
