export { buildImages } from "./catalogue.ts";
export { standInTag } from "./definition.ts";
export { loadImages } from "./load.ts";
export { installImageStore } from "./store.ts";
