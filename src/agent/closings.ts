/** What is closed when a process is told to end, however far its start has come. */
export interface Closings {
  /** Something that still has something to write or to answer, over the connections. */
  work(close: () => Promise<void>): void;
  /** Closed behind all work, the latest first. */
  connection(close: () => void | Promise<void>): void;
  /** Closes all of it. What a start that is still under way opens behind this is closed as soon as it is told. */
  close(): Promise<void>;
}

export function createClosings(): Closings {
  const work: (() => Promise<void>)[] = [];
  const connections: (() => void | Promise<void>)[] = [];
  let isOver = false;
  return {
    work(close) {
      if (isOver) void close();
      else work.push(close);
    },
    connection(close) {
      if (isOver) void close();
      else connections.push(close);
    },
    async close() {
      isOver = true;
      // All at once: a request that takes its time keeps no policies from the disk.
      await Promise.all(work.map((close) => close()));
      for (const close of connections.reverse()) await close();
    },
  };
}
