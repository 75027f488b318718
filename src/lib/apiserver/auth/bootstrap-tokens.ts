import type { KubeObject } from "#lib/kube/types.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Lookup } from "../resource.ts";
import type { UserInfo } from "../user.ts";
import { type Authenticator, sameSecret, tokenAuthenticator } from "./authenticator.ts";

interface Secret extends KubeObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

const secrets = { group: "", resource: "secrets" };
const group = "system:bootstrappers";

/**
 * Users by the tokens with which new nodes come (`abcdef.0123456789abcdef`), each a Secret `bootstrap-token-ID` in kube-system, looked at anew with every request:
 * deleted or expired ones are nobody's. They are `system:bootstrap:ID` and may what `system:bootstrappers` may.
 */
export function bootstrapTokenAuthenticator(lookup: Lookup, clock: Pick<Clock, "wall">): Authenticator {
  return tokenAuthenticator((token): UserInfo | undefined => {
    const [, id = "", secret = ""] = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token) ?? [];
    if (id === "") return undefined;
    const found = lookup.get(secrets, { namespace: "kube-system", name: `bootstrap-token-${id}` }) as Secret | undefined;
    if (found?.type !== "bootstrap.kubernetes.io/token" || found.metadata.deletionTimestamp !== undefined) return undefined;
    const field = (name: string): string => Buffer.from(found.data?.[name] ?? "", "base64").toString("utf8");
    const expiration = field("expiration");
    // A time that is none has passed.
    if (expiration !== "" && !(Date.parse(expiration) > clock.wall())) return undefined;
    if (field("token-id") !== id || field("usage-bootstrap-authentication") !== "true") return undefined;
    if (!sameSecret(field("token-secret"), secret)) return undefined;
    const more = field("auth-extra-groups")
      .split(",")
      .filter((name) => new RegExp(`^${group}:[a-z0-9:-]{0,255}[a-z0-9]$`).test(name));
    return { username: `system:bootstrap:${id}`, groups: [group, ...more] };
  });
}
