import type { KubeObject } from "#lib/kube/types.ts";
import type { StoreEvent } from "../resource-store.ts";

/** Encoded events of one format that are kept: what the watchers of a change are sent one right after the other, and what many begin with at the same time. */
const keptBytes = 8 * 1024 * 1024;
/** Bookmarks that are kept, some twenty: each is sent to its watchers in one turn and never again. With heartbeats they are 50 a second, and would fill the room of all else. */
const keptBookmarkBytes = 8 * 1024;

/** Events in one format: each is encoded once for all watchers that are sent it while others have not come in between in great number. Published objects never change. */
export function sharedLines(encode: (event: StoreEvent) => Buffer, limitBytes = keptBytes): (event: StoreEvent) => Buffer {
  const bookmarks = keptLines(encode, keptBookmarkBytes);
  const others = keptLines(encode, limitBytes);
  return (event) => {
    if (event.own) return encode(event);
    return event.type === "BOOKMARK" ? bookmarks(event) : others(event);
  };
}

function keptLines(encode: (event: StoreEvent) => Buffer, limitBytes: number): (event: StoreEvent) => Buffer {
  const known = new Map<KubeObject | object, { readonly type: StoreEvent["type"]; readonly line: Buffer }>();
  /** Stands before the oldest. One made anew would go through the holes that those before it left. */
  const fromOldest = known.entries();
  let bytes = 0;
  return (event) => {
    const { type, object } = event;
    const found = known.get(object);
    if (found?.type === type) return found.line;
    const line = encode(event);
    if (found !== undefined) bytes -= found.line.length;
    known.delete(object);
    // One that is larger than all others together would only push them out.
    if (line.length > limitBytes) return line;
    known.set(object, { type, line });
    bytes += line.length;
    while (bytes > limitBytes) {
      // The newest is smaller than the limit, so that there is another before it.
      const [oldest, kept] = fromOldest.next().value ?? [object, { line }];
      known.delete(oldest);
      bytes -= kept.line.length;
    }
    return line;
  };
}
