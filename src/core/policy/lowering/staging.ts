import type { ObjectMeta } from "#lib/kube/index.ts";

/** Annotation of a policy that is told as what it would do, and not enforced. */
export const stagingAnnotation = "policy.antrea.io/staged";

const isStaged = ({ annotations }: ObjectMeta): boolean =>
  // The spellings of Go's strconv.ParseBool; any other means off.
  annotations !== undefined && /^(1|t|T|true|True|TRUE)$/.test(annotations[stagingAnnotation] ?? "");

/** For spreading into a policy: empty when it is enforced. */
export const stagingOf = (metadata: ObjectMeta): { readonly staged?: true } => (isStaged(metadata) ? staged : enforced);

const staged = Object.freeze({ staged: true as const });
const enforced = Object.freeze({});
