/**
 * Faults that a test can build into a switch, to show that its own checks notice each of them. Never set outside tests.
 */
export const faults = [
  "tables ignore priorities",
  "masks match whole words",
  "set_field ignores its mask",
  "move starts one bit too low",
  "time to live is kept",
  "expired time to live passes",
  "output goes back to the input port",
  "tracked packets lose their registers",
  "commit does not remember",
  "mark is not stored",
  "label is not stored",
  "replies look like originals",
  "zones are one",
  "reset keeps the connection open",
  "sequence numbers are not checked",
  "checksums are not verified",
  "related errors are invalid",
  "fragments pass at once",
  "later fragments have ports",
  "translation keeps ports",
  "translation is not undone",
  "the cache forgets masks",
  "conjunctions need one clause",
  "learned flows lose their match",
  "resubmit misses its table",
  "destinations are not rewritten",
] as const;
export type Fault = (typeof faults)[number];
