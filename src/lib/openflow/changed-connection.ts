import type { OpenFlowConnection } from "./connection.ts";

/** The same connection, or as much of it as somebody knows, where some calls do something else. */
export const changedConnection = <Connection extends Partial<OpenFlowConnection>>(
  connection: Connection,
  calls: Partial<Connection>,
): Connection =>
  new Proxy(connection, {
    get(target, name) {
      if (Object.hasOwn(calls, name)) return Reflect.get(calls, name);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
