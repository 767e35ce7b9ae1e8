import { UsageError } from "./exit-code.ts";
import type { OptionSpec } from "./option.ts";
import { FIRST_WORDS, subcommandsOf, VERB_NAMES, verbSpec } from "./verb-table.ts";

/**
 * A completion script, made from the same table as the help.
 *
 * @throws {UsageError} for another shell.
 */
export function completionScript(shell: string): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return zsh();
    case "fish":
      return fish();
  }
  throw new UsageError(`begat completion knows bash, zsh and fish; found "${shell}"`, { verb: "completion" });
}

const dashed = (options: readonly OptionSpec[]): string[] =>
  options.flatMap(({ name, short }) => (short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`]));

const choices = (options: readonly OptionSpec[]) =>
  options.flatMap(({ name, kind }) => (typeof kind === "object" ? [[name, kind.oneOf.join(" ")] as const] : []));

/** Words after a verb: subcommands, shells, verbs, or files. */
function wordsAfter(first: string): string {
  if (first === "completion") return "bash zsh fish";
  if (first === "help") return FIRST_WORDS.join(" ");
  return subcommandsOf(first).join(" ");
}

function bash(): string {
  const options = VERB_NAMES.map((verb) => `    "${verb}") opts="${dashed(verbSpec(verb).options).join(" ")}" ;;`);
  const words = FIRST_WORDS.filter((first) => wordsAfter(first) !== "");
  const after = words.map((first) => `    ${first}) words="${wordsAfter(first)}" ;;`);
  const all = new Map(VERB_NAMES.flatMap((verb) => choices(verbSpec(verb).options)));
  const values = [...all].map(
    ([name, value]) => `    --${name}) COMPREPLY=( $(compgen -W "${value}" -- "$cur") ); return ;;`,
  );
  return `# begat completion for bash
_begat() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local first="\${COMP_WORDS[1]}" verb opts="" words=""
  case "$prev" in
${values.join("\n")}
    -C|--directory) COMPREPLY=( $(compgen -d -- "$cur") ); return ;;
    -f|--file) COMPREPLY=( $(compgen -f -- "$cur") ); return ;;
  esac
  if [[ $COMP_CWORD -eq 1 && "$cur" != -* ]]; then
    COMPREPLY=( $(compgen -W "${FIRST_WORDS.join(" ")}" -- "$cur") $(compgen -f -- "$cur") )
    return
  fi
  case "$first" in
${after.join("\n")}
  esac
  if [[ $COMP_CWORD -eq 2 && -n "$words" && "$cur" != -* ]]; then
    COMPREPLY=( $(compgen -W "$words" -- "$cur") )
    return
  fi
  verb="$first"
  [[ " ${VERB_NAMES.filter((verb) => verb.includes(" ")).join(" | ")} " == *" $first \${COMP_WORDS[2]} "* ]] && verb="$first \${COMP_WORDS[2]}"
  case "$verb" in
${options.join("\n")}
    *) opts="${dashed(verbSpec("build").options).join(" ")}" ;;
  esac
  if [[ "$cur" == -* ]]; then
    COMPREPLY=( $(compgen -W "$opts" -- "$cur") )
  else
    COMPREPLY=( $(compgen -f -- "$cur") )
  fi
}
complete -o filenames -F _begat begat
`;
}

function zsh(): string {
  const quoted = (text: string) => text.replaceAll("'", "'\\''").replaceAll("[", "\\[").replaceAll("]", "\\]");
  const argument = ({ name, short, kind, value, text, many, optional }: OptionSpec) => {
    const taken = typeof kind === "object" ? `:${value ?? ""}:(${kind.oneOf.join(" ")})` : `:${value ?? ""}:_files`;
    const rest = `[${quoted(text)}]${kind === "flag" || optional ? "" : taken}`;
    const star = many === true ? "*" : "";
    const forms = short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`];
    return forms.map((form) => `'${star}${form}${rest}'`).join(" ");
  };
  const verbs = FIRST_WORDS.map((first) => {
    const verb = VERB_NAMES.find((name) => name === first);
    const text = verb === undefined ? subcommandsOf(first).join(", ") : verbSpec(verb).summary;
    return `    '${first}:${quoted(text)}'`;
  });
  const cases = VERB_NAMES.map((verb) => {
    const after = wordsAfter(verb);
    const word = after === "" ? "'*:file:_files'" : `'*:word:(${after})'`;
    return `    '${verb}') _arguments ${verbSpec(verb).options.map(argument).join(" ")} ${word} ;;`;
  });
  const groups = FIRST_WORDS.filter((first) => subcommandsOf(first).length > 0);
  const below = groups.map(
    (first) =>
      `    ${first}) if (( CURRENT == 3 )); then compadd ${subcommandsOf(first).join(" ")}; return; fi; verb="$verb $words[3]" ;;`,
  );
  return `#compdef begat
_begat() {
  local -a verbs
  verbs=(
${verbs.join("\n")}
  )
  if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then
    _describe command verbs
    _files
    return
  fi
  local verb=$words[2]
  case $verb in
${below.join("\n")}
  esac
  case $verb in
${cases.join("\n")}
    *) _arguments ${verbSpec("build").options.map(argument).join(" ")} '*:file:_files' ;;
  esac
}
if [ "$funcstack[1]" = "_begat" ]; then _begat "$@"; else compdef _begat begat; fi
`;
}

function fish(): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = ["# begat completion for fish"];
  for (const first of FIRST_WORDS) {
    const verb = VERB_NAMES.find((name) => name === first);
    const text = verb === undefined ? subcommandsOf(first).join(", ") : verbSpec(verb).summary;
    lines.push(`complete -c begat -n __fish_use_subcommand -a ${first} -d ${quoted(text)}`);
    const after = wordsAfter(first);
    if (after === "") continue;
    const seen = `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${after}`;
    lines.push(`complete -c begat -f -n ${quoted(seen)} -a ${quoted(after)}`);
  }
  for (const verb of VERB_NAMES) {
    const seen = verb.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
    for (const { name, short, kind, text, optional } of verbSpec(verb).options) {
      const letter = short === undefined ? "" : ` -s ${short}`;
      const value =
        kind === "flag" || optional ? "" : typeof kind === "object" ? ` -x -a ${quoted(kind.oneOf.join(" "))}` : " -r";
      lines.push(`complete -c begat -n ${quoted(seen.join("; and "))}${letter} -l ${name}${value} -d ${quoted(text)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
