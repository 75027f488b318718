import { duplicate, type FieldError, forbiddenField, invalid, notSupported, required, tooLong } from "#lib/apiserver/field-error.ts";
import type { LabelSelector } from "#lib/kube/types.ts";

const labelPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomainPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const namePattern = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

export const protocols = ["SCTP", "TCP", "UDP"];

/** RFC 1123 label: containers, volumes, port names of services. */
export function checkLabelName(path: string, name: unknown): FieldError[] {
  if (name === undefined || name === "") return [required(path)];
  if (typeof name === "string" && name.length <= 63 && labelPattern.test(name)) return [];
  return [
    invalid(
      path,
      name,
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    ),
  ];
}

/** RFC 1123 subdomain: names of most objects. */
export function checkSubdomain(path: string, name: unknown): FieldError[] {
  if (name === undefined || name === "") return [required(path)];
  if (typeof name === "string" && name.length <= 253 && subdomainPattern.test(name)) return [];
  return [
    invalid(
      path,
      name,
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    ),
  ];
}

/** The name of a port: IANA service name (RFC 6335): at most 15 characters, at least one letter. */
export function checkPortName(path: string, name: string): FieldError[] {
  const detail = (text: string): FieldError[] => [invalid(path, name, text)];
  if (name.length === 0 || name.length > 15) return detail("must be no more than 15 characters");
  if (!/^[-a-z0-9]+$/.test(name)) return detail("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(name)) return detail("must contain at least one letter (a-z)");
  if (/^-|-$|--/.test(name)) return detail("must not contain consecutive hyphens, or begin or end with one");
  return [];
}

export function checkPortNumber(path: string, port: unknown): FieldError[] {
  if (typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535) return [];
  return [invalid(path, port, "must be between 1 and 65535, inclusive")];
}

export function checkProtocol(path: string, protocol: unknown): FieldError[] {
  if (protocol === undefined || protocol === "") return [required(path)];
  return protocols.includes(String(protocol)) ? [] : [notSupported(path, protocol, protocols)];
}

export function checkLabelKey(path: string, key: string): FieldError[] {
  const [prefix, name, ...more] = key.includes("/") ? key.split("/") : [undefined, key];
  const ok =
    more.length === 0 &&
    (prefix === undefined || (prefix.length <= 253 && subdomainPattern.test(prefix))) &&
    name !== undefined &&
    name.length <= 63 &&
    namePattern.test(name);
  return ok
    ? []
    : [
        invalid(
          path,
          key,
          "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character, after an optional DNS subdomain prefix and '/'",
        ),
      ];
}

export function checkLabelValue(path: string, value: unknown): FieldError[] {
  if (typeof value === "string" && value.length > 63) return [tooLong(path, 63)];
  if (typeof value === "string" && (value === "" || namePattern.test(value))) return [];
  return [
    invalid(
      path,
      value,
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    ),
  ];
}

export function checkLabels(path: string, labels: Readonly<Record<string, string>> | undefined): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [...checkLabelKey(path, key), ...checkLabelValue(path, value)]);
}

const operators = ["DoesNotExist", "Exists", "In", "NotIn"];

export function checkSelector(path: string, selector: LabelSelector | null | undefined): FieldError[] {
  const expressions = (selector?.matchExpressions ?? []).flatMap(({ key, operator, values = [] }, index): FieldError[] => {
    const at = `${path}.matchExpressions[${index}]`;
    const keyErrors = checkLabelKey(`${at}.key`, key ?? "");
    const valueErrors = values.flatMap((value, position) => checkLabelValue(`${at}.values[${position}]`, value));
    if (!operators.includes(operator)) return [...keyErrors, invalid(`${at}.operator`, operator, "not a valid selector operator")];
    const takesValues = operator === "In" || operator === "NotIn";
    if (takesValues && values.length === 0)
      return [...keyErrors, required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'")];
    if (!takesValues && values.length > 0)
      return [...keyErrors, forbiddenField(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")];
    return [...keyErrors, ...valueErrors];
  });
  return [...checkLabels(`${path}.matchLabels`, selector?.matchLabels), ...expressions];
}

/** Reports every value that occurred before. */
export function checkUnique<Item>(
  items: readonly Item[],
  place: (item: Item, index: number) => { readonly path: string; readonly value: unknown },
): FieldError[] {
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const { path, value } = place(item, index);
    const text = JSON.stringify(value) ?? "";
    if (value === undefined || value === "" || !seen.has(text)) {
      seen.add(text);
      return [];
    }
    return [duplicate(path, value)];
  });
}

/** A field that keeps its first value. */
export function checkUnchanged(path: string, after: unknown, before: unknown): FieldError[] {
  return same(after, before) ? [] : [invalid(path, after, "field is immutable")];
}

/** Deep equality that does not tell an absent field from an empty one, as decoding into structs does. */
export function same(left: unknown, right: unknown): boolean {
  return canonical(left) === canonical(right);
}

function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) => {
      if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
      return Object.fromEntries(
        Object.entries(inner)
          .filter(([, field]) => field !== null && field !== undefined)
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    }) ?? ""
  );
}
