import packageFile from "../../../package.json" with { type: "json" };

/** The version that the programs of this package call themselves by. */
export const version = `v${packageFile.version}`;
