"""How a function becomes a command: parser, help, "did you mean", versions and what completes in a shell."""

import re
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

import bbkit as bb


class Parser(ArgumentParser):
    """One that asks "did you mean" of a mistyped command, choice or option."""

    def error(self, message: str) -> NoReturn:
        from difflib import get_close_matches

        typed = re.search(
            r"invalid choice: '(.*?)' \(choose from (.*)\)|unrecognized arguments: (\S+)", message
        )
        if typed:
            known = re.findall(r"[\w.-]+", typed[2]) if typed[2] else list(self._option_string_actions)
            near = get_close_matches((typed[1] or typed[3]).partition("=")[0], known, 1)
            message += f". Did you mean {near[0]}?" if near else ""
        super().error(message)


PARSER = Parser(prog="bbkit", description="Bedrock Batch Kit", allow_abbrev=False)
PARSER.add_argument(
    "--version",
    action="version",
    version=f"bbkit {bb.__version__}",
    help="of bbkit; with --json, of all it uses",
)
COMMANDS = PARSER.add_subparsers(metavar="COMMAND", required=True)

Run = Callable[[Namespace], int]


def argument(*names: str, **options: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Describe an argument of a command, as `argparse` does."""
    return names, options


def command(example: str, *arguments: Any, alias: str = "", **options: Any) -> Callable[[Run], Run]:
    """Make a function the command of its name; its docstring is the help."""

    def register(run: Run) -> Run:
        parser = COMMANDS.add_parser(
            run.__name__,
            help=run.__doc__,
            description=run.__doc__,
            epilog=f"example: bbkit {example}",
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )
        for names, described in arguments:
            parser.add_argument(*names, **described)
        parser.set_defaults(command=run, parser=parser)
        if alias:
            COMMANDS.choices[alias] = parser  # without a line in the help
        return run

    return register


def completion_script() -> str:
    """What bash completes: commands, their options, and the values of those that take one of a few."""
    parsers = {**COMMANDS.choices, "standin": import_module("bbkit.standin.__main__").build_parser()}
    cases = [f"    {name}) words='{' '.join(_words_of(parser))}' ;;" for name, parser in parsers.items()]
    return _COMPLETION.format(commands=" ".join(COMMANDS.choices), cases="\n".join(cases))


def _words_of(parser: ArgumentParser) -> list[str]:
    return [word for action in parser._actions for word in (*action.option_strings, *(action.choices or ()))]


_COMPLETION = """_bbkit() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words=''
  if [ "$COMP_CWORD" -eq 1 ]; then words='{commands} --help --version'
  else case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  case "$current" in -*) ;; *) words=$(printf '%s\\n' $words | grep -v ^-) ;; esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _bbkit bbkit"""
