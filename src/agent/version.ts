import packageFile from "../../package.json" with { type: "json" };

/** The version that this agent calls itself by. */
export const version = `v${packageFile.version}`;
