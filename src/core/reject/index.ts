export { type AskedDestination, askedDestination } from "./asked-destination.ts";
export { type Refusal, refusalOf } from "./rejection.ts";
export { type Link, wayBack } from "./way-back.ts";
