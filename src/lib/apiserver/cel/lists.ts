import type { Environment } from "@marcbachmann/cel-js";

type Scalar = bigint | number | string | boolean | Date;

/** What `sets` is: the place of `sets.contains` and the like. */
class Sets {}

/** The list library of Kubernetes and the set functions of CEL. */
export function withLists(environment: Environment): Environment {
  const sorted = (list: readonly Scalar[]): boolean => list.every((one, index) => index === 0 || (list[index - 1] ?? one) <= one);
  const extreme =
    (better: (left: Scalar, right: Scalar) => boolean) =>
    (list: readonly Scalar[]): Scalar => {
      const [first, ...rest] = list;
      if (first === undefined) throw new RangeError("min or max called on an empty list");
      return rest.reduce((best, one) => (better(one, best) ? one : best), first);
    };
  environment
    .registerType("kubernetes.SetFunctions", { ctor: Sets, fields: {} })
    .registerConstant("sets", "kubernetes.SetFunctions", new Sets())
    .registerFunction("kubernetes.SetFunctions.contains(list<T>, list<T>): bool", (_: Sets, outer: Scalar[], inner: Scalar[]) =>
      covers(outer, inner),
    )
    .registerFunction(
      "kubernetes.SetFunctions.equivalent(list<T>, list<T>): bool",
      (_: Sets, left: Scalar[], right: Scalar[]) => covers(left, right) && covers(right, left),
    )
    .registerFunction(
      "kubernetes.SetFunctions.intersects(list<T>, list<T>): bool",
      (_: Sets, left: Scalar[], right: Scalar[]) => !new Set(left).isDisjointFrom(new Set(right)),
    )
    .registerFunction("list<int>.sum(): int", (list: bigint[]) => list.reduce((total, one) => total + one, 0n))
    .registerFunction("list<double>.sum(): double", (list: number[]) => list.reduce((total, one) => total + one, 0));
  for (const type of ["int", "double", "string", "bool"]) {
    environment
      .registerFunction(`list<${type}>.isSorted(): bool`, sorted)
      .registerFunction(
        `list<${type}>.min(): ${type}`,
        extreme((left, right) => left < right),
      )
      .registerFunction(
        `list<${type}>.max(): ${type}`,
        extreme((left, right) => left > right),
      )
      .registerFunction(`list<${type}>.indexOf(${type}): int`, (list: Scalar[], value: Scalar) => BigInt(list.indexOf(value)))
      .registerFunction(`list<${type}>.lastIndexOf(${type}): int`, (list: Scalar[], value: Scalar) => BigInt(list.lastIndexOf(value)));
  }
  return environment;
}

const covers = (outer: readonly Scalar[], inner: readonly Scalar[]): boolean => {
  const members = new Set(outer);
  return inner.every((one) => members.has(one));
};
