import { Command } from "commander";
import { UnsupportedValue } from "./errors.ts";

/** `antctl completion bash|zsh|fish`: a script for the shell, made from the commands that exist. */
export function completionCommand(root: Command): Command {
  return new Command("completion")
    .description("print a completion script: source <(antctl completion bash)")
    .argument("<shell>", "bash, zsh or fish")
    .action((shell: string) => {
      const words = wordsOf(root);
      const script = scripts[shell];
      if (script === undefined) throw new UnsupportedValue(shell, "shell", "one of bash, zsh, fish");
      process.stdout.write(script(words));
    });
}

/** Each command's path (`get podinterface`) with the words that may follow. */
export function wordsOf(command: Command, path = ""): ReadonlyMap<string, readonly string[]> {
  const words = new Map<string, readonly string[]>();
  const options = command.options.flatMap((option) => (option.long ? [option.long] : []));
  words.set(path, [...command.commands.map((child) => child.name()), ...options, "--help"]);
  for (const child of command.commands)
    for (const [key, value] of wordsOf(child, path === "" ? child.name() : `${path} ${child.name()}`)) words.set(key, value);
  return words;
}

type Words = ReadonlyMap<string, readonly string[]>;

const cases = (words: Words): string => [...words].map(([path, next]) => `    "${path}") echo "${next.join(" ")}" ;;`).join("\n");

const scripts: Readonly<Record<string, (words: Words) => string>> = {
  bash: (words) => `_antctl_words() {
  case "$1" in
${cases(words)}
  esac
}
_antctl() {
  local path="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) if [ -n "$(_antctl_words "\${path:+$path }$word")" ]; then path="\${path:+$path }$word"; fi ;; esac
  done
  COMPREPLY=($(compgen -W "$(_antctl_words "$path")" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _antctl antctl
`,
  zsh: (words) => `#compdef antctl
autoload -U +X bashcompinit && bashcompinit
${scripts.bash?.(words) ?? ""}`,
  fish: (words) =>
    [...words]
      .flatMap(([path, next]) => {
        const seen = path === "" ? "__fish_use_subcommand" : `__fish_seen_subcommand_from ${path.split(" ").at(-1)}`;
        return next.filter((word) => !word.startsWith("-")).map((word) => `complete -c antctl -n "${seen}" -f -a "${word}"`);
      })
      .join("\n")
      .concat("\n"),
};
