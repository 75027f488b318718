import { type FieldError, invalid, notSupported, required } from "#lib/apiserver/field-error.ts";
import { parseQuantity } from "#lib/kube/quantity.ts";

export const accessModes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
export const volumeModes = ["Block", "Filesystem"];
export const reclaimPolicies = ["Delete", "Recycle", "Retain"];

/** Access modes and volume mode: what claims and volumes have in common. */
export function checkModes(
  path: string,
  spec: { readonly accessModes?: readonly string[]; readonly volumeMode?: string },
): readonly FieldError[] {
  const { accessModes: modes = [], volumeMode = "Filesystem" } = spec;
  return [
    ...(modes.length === 0 ? [required(`${path}.accessModes`, "at least 1 access mode is required")] : []),
    ...modes.flatMap((mode, index) =>
      accessModes.includes(mode) ? [] : [notSupported(`${path}.accessModes[${index}]`, mode, accessModes)],
    ),
    ...(volumeModes.includes(volumeMode) ? [] : [notSupported(`${path}.volumeMode`, volumeMode, volumeModes)]),
  ];
}

/** How much there shall be. */
export function checkStorage(path: string, text: string | undefined): readonly FieldError[] {
  if (text === undefined) return [required(path)];
  const bytes = parseQuantity(text);
  return bytes !== undefined && bytes > 0 ? [] : [invalid(path, text, "must be greater than zero")];
}

const short: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

/** As `kubectl get` prints them: `RWO,ROX`. */
export const shortModes = (modes: readonly string[] = []): string => [...new Set(modes)].map((mode) => short[mode] ?? mode).join(",");
