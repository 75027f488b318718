import { type Clock, type Duration, seconds, type Timer } from "#lib/runtime/index.ts";
import type { Message } from "./messages.ts";

/** What many watches begin with at the same time is kept this long behind the last of them. */
const keptFor: Duration = seconds(5);

/** Messages about rows as they are, made once for all watches that begin with them: when a replica dies, its agents come to others at once. */
export interface FirstMessages {
  /** The message about the row of that name, for everybody the same. */
  of(name: string, make: () => Message): Message;
  /** The row changed or went. */
  changed(name: string): void;
}

export function createFirstMessages({ clock }: { readonly clock: Clock }): FirstMessages {
  const known = new Map<string, Message>();
  let lastUse = 0;
  let timer: Timer | undefined;
  const look = (): void => {
    const left = lastUse + keptFor - clock.monotonic();
    timer = left > 0 ? clock.after(left, look, { background: true }) : undefined;
    if (timer === undefined) known.clear();
  };
  return {
    of(name, make) {
      const message = known.get(name) ?? make();
      known.set(name, message);
      lastUse = clock.monotonic();
      if (timer === undefined) look();
      return message;
    },
    changed: (name) => void known.delete(name),
  };
}
