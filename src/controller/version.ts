import packageFile from "../../package.json" with { type: "json" };

/** The version that this controller calls itself by. */
export const version = `v${packageFile.version}`;
