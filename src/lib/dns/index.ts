export * from "./decode.ts";
export * from "./encode.ts";
export * from "./errors.ts";
export * from "./message.ts";
export * from "./name.ts";
export * from "./stream.ts";
