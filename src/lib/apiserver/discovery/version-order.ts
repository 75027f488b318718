/** Orders versions as Kubernetes prefers them: v10, v2, v1, v11beta2, v3beta1, v12alpha1, then other names by alphabet. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [parse(left), parse(right)];
  if (a === undefined || b === undefined) {
    if (a === undefined && b === undefined) return left < right ? -1 : Number(left > right);
    return a === undefined ? 1 : -1;
  }
  return b.stability - a.stability || b.major - a.major || b.minor - a.minor;
}

function parse(text: string): { readonly stability: number; readonly major: number; readonly minor: number } | undefined {
  const match = /^v([1-9]\d{0,9})(?:(alpha|beta)([1-9]\d{0,9}))?$/.exec(text);
  if (match === null) return undefined;
  const [, major, stage, minor] = match;
  return { stability: stage === undefined ? 2 : Number(stage === "beta"), major: Number(major), minor: Number(minor ?? 0) };
}
