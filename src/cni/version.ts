import packageFile from "../../package.json" with { type: "json" };

/** The version that the executable calls itself by. */
export const version = `v${packageFile.version}`;
