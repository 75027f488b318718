export * from "./connect-kubernetes.ts";
export * from "./delegated-authentication.ts";
export * from "./delegated-authorization.ts";
export * from "./errors.ts";
export * from "./loopback-token.ts";
export * from "./run.ts";
export * from "./verbosity.ts";
export * from "./version.ts";
