import type { OpenFlowConnection } from "./connection.ts";

/** The same connection, where some calls do something else. */
export const changedConnection = (connection: OpenFlowConnection, calls: Partial<OpenFlowConnection>): OpenFlowConnection =>
  new Proxy(connection, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(calls, name) ? calls : target, name);
      return typeof value === "function" && !Object.hasOwn(calls, name) ? value.bind(target) : value;
    },
  });
