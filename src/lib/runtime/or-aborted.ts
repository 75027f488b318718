/**
 * What `work` gives, or a rejection with the signal's reason as soon as it aborts. Nothing stays behind on the signal: one that was made of others is kept alive
 * by its listeners, for ever when it never aborts.
 */
export function orAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
