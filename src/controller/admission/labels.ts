import type { AntreaPeer, AppliedTo } from "#core/api/antrea/policy.ts";
import { first, refusal } from "./places.ts";

const name = "([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]";
const domain = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const qualifiedName = new RegExp(`^(${domain}/)?${name}$`);
const labelValue = new RegExp(`^(${name})?$`);
/** Of the part before the slash. */
const maximumDomainLength = 253;

export const isLabelKey = (key: string): boolean => qualifiedName.test(key) && (key.split("/").at(-2)?.length ?? 0) <= maximumDomainLength;

type Selecting = Pick<AppliedTo & AntreaPeer, (typeof selectors)[number]>;
const selectors = ["podSelector", "namespaceSelector", "externalEntitySelector", "nodeSelector"] as const;

/** The first label in the `matchLabels` of an entry's selectors that no object can have. */
export const checkLabels = (entry: Selecting, path: string): string | undefined =>
  first(selectors, (selector) =>
    first(Object.entries(entry[selector]?.matchLabels ?? {}), ([key, value]) => {
      const place = `${path}.${selector}.matchLabels`;
      if (!isLabelKey(key))
        return refusal(
          `Invalid label key: ${key}: at most 63 letters, digits, '-', '_' and '.', behind a DNS name and '/' or without`,
          place,
        );
      return labelValue.test(value)
        ? undefined
        : refusal(`Invalid label value: ${value}: at most 63 letters, digits, '-', '_' and '.'`, place);
    }),
  );
