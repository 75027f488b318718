import { createContentIds } from "./content-ids.ts";

/**
 * Numbers of Services (`namespace/name`), 1 … 2³² − 1: what forwards connections writes them, and what policies say of a Service matches them. Whoever comes
 * first, a rule that names a Service or the Service itself, the number is the same, also after a restart.
 */
export interface ServiceNumbers {
  /** Keeps the Service's number until as many {@link ServiceNumbers.release}. */
  hold(service: string): number;
  release(service: string): void;
  /** Undefined when nobody holds it. */
  numberOf(service: string): number | undefined;
}

export const createServiceNumbers = (): ServiceNumbers => createContentIds({ last: 0xffff_ffff });
