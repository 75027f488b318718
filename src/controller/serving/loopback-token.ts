import { timingSafeEqual } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Authenticator, bearerToken } from "#lib/apiserver/auth/authenticator.ts";
import { mastersGroup, type UserInfo } from "#lib/apiserver/user.ts";
import type { Random } from "#lib/runtime/random.ts";

const localUser: UserInfo = { username: "system:antrea-loopback", groups: [mastersGroup] };

/** A new token in `file`, readable by root alone: antctl in the same Pod shows it and may do everything. */
export async function loopbackToken({ random, file }: { readonly random: Random; readonly file: string }): Promise<Authenticator> {
  const token = Buffer.from(Buffer.from(random.bytes(32)).toString("hex"));
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, token, { mode: 0o600 });
  await rename(`${file}.new`, file);
  return {
    authenticate(request) {
      const shown = Buffer.from(bearerToken(request) ?? "");
      return shown.length === token.length && timingSafeEqual(shown, token) ? localUser : undefined;
    },
  };
}
