export { compileDnsHold, compileDnsReplies, dnsPort } from "./compile.ts";
