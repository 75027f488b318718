import type { ResourceDefinition } from "../resource.ts";

/** Each answers undefined for a good name and else what is wrong, for use in a {@link FieldError}. */
type Rule = (text: string) => string | undefined;

const labelPart = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?";
const subdomainForm = new RegExp(`^${labelPart}(?:\\.${labelPart})*$`);
const labelForm = new RegExp(`^${labelPart}$`);
const label1035Form = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/;
const qualifiedPart = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** RFC 1123 subdomain: the rule for most names. */
export const subdomain: Rule = (text) =>
  text.length <= 253 && subdomainForm.test(text)
    ? undefined
    : "must be a lowercase RFC 1123 subdomain: at most 253 of a-z, 0-9, '-' and '.', every part starting and ending with a letter or digit";

/** RFC 1123 label: namespaces, container names. */
export const label: Rule = (text) =>
  text.length <= 63 && labelForm.test(text)
    ? undefined
    : "must be a lowercase RFC 1123 label: at most 63 of a-z, 0-9 and '-', starting and ending with a letter or digit";

/** RFC 1035 label: Services. */
export const label1035: Rule = (text) =>
  text.length <= 63 && label1035Form.test(text)
    ? undefined
    : "must be a lowercase RFC 1035 label: at most 63 of a-z, 0-9 and '-', starting with a letter and ending with a letter or digit";

/** Anything that can stand between two slashes: RBAC names such as `system:node`. */
export const pathSegment: Rule = (text) =>
  text === "." || text === ".." || /[/%]/.test(text) ? "may not be '.' or '..' nor contain '/' or '%'" : undefined;

/** The key of a label or annotation: `[prefix/]name`. */
export const qualifiedName: Rule = (text) => {
  const slash = text.indexOf("/");
  const name = slash < 0 ? text : text.slice(slash + 1);
  if (name.length === 0 || name.length > 63 || !qualifiedPart.test(name))
    return "must be [prefix/]name: name at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', starting and ending with a letter or digit";
  return slash < 0 ? undefined : subdomain(text.slice(0, slash));
};

/** The value of a label; may be empty. */
export const labelValue: Rule = (text) =>
  text === "" || (text.length <= 63 && qualifiedPart.test(text))
    ? undefined
    : "must be empty or at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', starting and ending with a letter or digit";

const rules: Readonly<Record<NonNullable<ResourceDefinition["nameRule"]>, Rule>> = {
  subdomain,
  label,
  label1035,
  "path-segment": pathSegment,
};

export const nameRuleOf = (definition: Pick<ResourceDefinition, "nameRule">): Rule => rules[definition.nameRule ?? "subdomain"];
