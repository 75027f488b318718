import { lstatSync, readFileSync, type Stats, statfsSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { seconds } from "#lib/runtime/duration.ts";
import { readFlags } from "./flags.ts";

/** What is written into new files, which suites look for. */
const newContent = "mount-tester new file\n";

/** New files by the flag that asks for them, with their rights. */
const newFiles = { new_file_0644: 0o644, new_file_0666: 0o666, new_file_0660: 0o660, new_file_0777: 0o777 } as const;

/** `statfs(2)`: the file system in memory. */
const tmpfsMagic = 0x0102_1994;

const loopInterval = seconds(2);

type Print = (line: string) => void;

/**
 * `mounttest --fs_type=PATH --new_file_0644=PATH --file_mode=PATH --file_perm=PATH --file_owner=PATH --file_content=PATH
 * --file_content_in_loop=PATH`: says in the words that suites look for what a volume is like from within a container. The order is that of the
 * list, as one call writes a file and asks for its rights. Exit code 1 if any of it failed.
 */
export async function mounttest(args: readonly string[], print: Print): Promise<number> {
  const flags = readFlags(
    args,
    [...Object.keys(newFiles), "fs_type", "file_mode", "file_perm", "file_owner", "file_content", "file_content_in_loop", "retry_time"],
    ["break_on_expected_content"],
  );
  process.umask(0);
  let failed = false;
  const look = (flag: string, at: (path: string) => void): void => {
    const path = flags.text(flag, "");
    if (path === "") return;
    try {
      at(path);
    } catch (error) {
      failed = true;
      print(`error of --${flag} ${JSON.stringify(path)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  look("fs_type", (path) => print(`mount type of ${JSON.stringify(path)}: ${fileSystem(path)}`));
  for (const [flag, mode] of Object.entries(newFiles))
    look(flag, (path) => {
      writeFileSync(path, newContent, { mode });
      printContent(path, print);
    });
  look("file_mode", (path) => print(`mode of file ${JSON.stringify(path)}: ${modeText(statSync(path))}`));
  look("file_perm", (path) => print(`perms of file ${JSON.stringify(path)}: -${permissionText(statSync(path).mode)}`));
  look("file_owner", (path) => {
    const { uid, gid } = statSync(path);
    print(`owner UID of ${JSON.stringify(path)}: ${uid}`);
    print(`owner GID of ${JSON.stringify(path)}: ${gid}`);
  });
  look("file_content", (path) => printContent(path, print));
  const followed = flags.text("file_content_in_loop", "");
  const ended = followed === "" || (await printAgainAndAgain());
  return failed || !ended ? 1 : 0;

  /** Whether it could be read the last time. */
  async function printAgainAndAgain(): Promise<boolean> {
    let isRead = false;
    for (const end = Date.now() + seconds(flags.number("retry_time", 180)); Date.now() < end; await pause(loopInterval)) {
      isRead = isThere(followed);
      if (!isRead) {
        print(`Error reading file ${followed}: it cannot be read, retrying`);
        continue;
      }
      const content = printContent(followed, print);
      if (flags.truth("break_on_expected_content", true) && content === newContent) break;
    }
    return isRead;
  }
}

function printContent(path: string, print: Print): string {
  const content = readFileSync(path, "utf8");
  print(`content of file ${JSON.stringify(path)}: ${content}`);
  return content;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined && lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function fileSystem(path: string): string {
  const { type } = statfsSync(path);
  return type === tmpfsMagic ? "tmpfs" : String(type);
}

/** As Go prints a mode: letters for what the file is and for its special bits, or a dash, then the permissions. */
function modeText(stats: Stats): string {
  const letters = [
    stats.isDirectory() ? "d" : "",
    (stats.mode & 0o4000) === 0 ? "" : "u",
    (stats.mode & 0o2000) === 0 ? "" : "g",
    (stats.mode & 0o1000) === 0 ? "" : "t",
  ].join("");
  return `${letters === "" ? "-" : letters}${permissionText(stats.mode)}`;
}

function permissionText(mode: number): string {
  return [..."rwxrwxrwx"].map((letter, index) => ((mode >> (8 - index)) & 1 ? letter : "-")).join("");
}
