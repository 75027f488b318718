/** Who asks (`authentication.k8s.io/v1 UserInfo`). */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Members may do everything: the way in before any role exists. */
export const mastersGroup = "system:masters";
export const authenticatedGroup = "system:authenticated";
export const unauthenticatedGroup = "system:unauthenticated";

export const anonymous: UserInfo = { username: "system:anonymous", groups: [unauthenticatedGroup] };

const serviceAccountPrefix = "system:serviceaccount:";

/** The user that a service account's token stands for. */
export function serviceAccountUser(options: {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}): UserInfo {
  return {
    username: `${serviceAccountPrefix}${options.namespace}:${options.name}`,
    uid: options.uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${options.namespace}`, authenticatedGroup],
    ...(options.extra === undefined ? {} : { extra: options.extra }),
  };
}
