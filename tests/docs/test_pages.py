"""Test that commands, options, settings, links, paths and examples in the documentation exist and work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from ganctl.cli import COMMANDS, cli
from ganctl.config.command_line import with_options
from ganctl.config.resolve import resolve
from ganctl.config.settings import DEFAULT_EPOCHS, DEFAULTS, HELP, LISTS, SHORTHANDS
from ganctl.plugin import discovery
from ganctl.recipe import Model
from ganctl.runs.resume import CHANGEABLE
from ganctl.sweeps.runner import make_request
from ganctl.sweeps.variation import parse_options
from ganctl.training import schedules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
DOCS = ROOT / "docs"
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
FENCE = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
NOT_A_SHELL = {"python", "py", "toml", "json", "text", "yaml"}


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [text for _, name, text in FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def sections(page: Path) -> dict[str, str]:
    """Return the text below each heading, up to the next heading of any level."""
    parts = re.split(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each table row in ``text``, without the header and the separator."""
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        for line in table.splitlines()[2:]:
            yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


Ganctl = Callable[..., subprocess.CompletedProcess[str]]


class Line(NamedTuple):
    """A ganctl command line in a code block, and the error that the block shows for it."""

    page: Path
    words: str
    error: str


def command_lines() -> list[Line]:
    found = []
    for page in PAGES:
        for _, language, block in FENCE.findall(page.read_text(encoding="utf-8")):
            if language in NOT_A_SHELL:
                continue
            lines = block.replace("\\\n", " ").splitlines()
            for line, following in zip(lines, [*lines[1:], ""], strict=True):
                match = re.match(r"\s*(\$ )?(?:\w+=\S+ )*(?:\S*/)?ganctl (.*)", line)
                if match and (match[1] or language != "console"):
                    error = following if following.startswith("error: ") else ""
                    found.append(Line(page, re.split(r"\s(?:\||&&|>|2>)", match[2])[0], error))
    return found


LINES = command_lines()


def own_names(page: Path) -> set[str]:
    """Return the components and commands that the Python code on ``page`` registers."""
    code = "\n".join(blocks(page, "python"))
    return set(re.findall(r"(?:(?:register|command)\(\s*|\bname=)\"([\w-]+)\"", code))


def subcommands() -> dict[str, click.Command]:
    """Return the commands of groups, such as ``plugins disable``, keyed by full name."""
    return {
        f"{name} {sub}": command
        for name, group in COMMANDS.items()
        if isinstance(group, click.Group)
        for sub, command in group.commands.items()
    }


def test_pages_and_command_lines_are_found() -> None:
    assert {path.name for path in DOCS.glob("*.md")} >= {
        "README.md", "quickstart.md", "commands.md", "run-folder.md", "configuration.md", "python-api.md", "plugins.md",
    }  # fmt: skip
    assert len(LINES) > 40
    assert sum(bool(line.error) for line in LINES) >= 3


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{label(line.page)}: {line.words}")
def test_every_command_line_is_valid(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line.words, comments=True)
    known = {name for option in cli.params for name in option.opts} | {"-h", "--help"}
    while words and words[0].startswith("-"):
        assert words.pop(0) in known
    if not words or words[0] in own_names(line.page):
        return
    command = COMMANDS[words[0]]
    if isinstance(command, click.Group) and len(words) > 1 and words[1] in command.commands:
        command = command.commands[words.pop(0) and words[0]]
    try:
        context = command.make_context(words[0], words[1:])
    except click.exceptions.Exit:  # --help
        return
    given: dict[str, Any] = {name: value for name, value in context.params.items() if value not in (None, ())}
    if command.name not in ("train", "sweep") or {"resume", "config_file"} & set(given) or line.error:
        return
    if own_names(line.page) & {str(value) for value in given.values()}:
        return
    known = {*HELP, *SHORTHANDS, "optimizer", "lr_schedule"}
    settings = {name: value for name, value in given.items() if name in known}
    if command.name == "sweep":
        vary = parse_options(
            given.get("grid", ()),
            given.get("pairs", ()),
            given.get("ranges", ()),
            random=given.get("draws"),
            seeds=given.get("seeds"),
        )
        assert len(make_request(None, vary, settings, given.get("component_options", ())).planned) > 1
        return
    config = resolve(
        discovery.registry(), with_options(settings, given.get("component_options", ()), discovery.registry())
    ).config
    for text in config.schedules.values():
        schedules.parse(text, per_step=1)


@pytest.mark.parametrize(
    "line",
    [line for line in LINES if line.error and "--resume" not in line.words],
    ids=lambda line: f"{label(line.page)}: {line.words}",
)
def test_errors_in_examples_match_the_real_errors(line: Line, ganctl: Ganctl) -> None:
    assert line.error in ganctl(*shlex.split(line.words)).stderr.splitlines()


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_commands_and_options_named_in_a_sentence_exist(page: Path) -> None:
    for code in re.findall(r"`ganctl ([^`]*)`", prose(page)):
        words = code.split()
        if words[0].startswith("-") or not re.fullmatch("[a-z-]+", words[0]) or words[0] in own_names(page):
            continue
        assert words[0] in COMMANDS, code
        command = {**COMMANDS, **subcommands()}.get(" ".join(words[:2]), COMMANDS[words[0]])
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(OPTION.findall(" ".join(words[1:]))) <= known | {"--help", "-h"}, code


def test_commands_md_lists_every_command_and_exactly_its_options() -> None:
    documented: dict[str, set[str]] = {}
    current: list[str] = []
    for heading, text in sections(DOCS / "commands.md").items():
        # The text below a heading without a command belongs to the preceding command.
        current = re.findall(r"`ganctl ?([\w -]*)`", heading) or current
        names = {option for row in rows(text) for option in OPTION.findall(row[0])}
        for name in current:
            documented[name] = documented.get(name, set()) | names
    expected = {
        name: {option for p in command.params if isinstance(p, click.Option) for option in p.opts}
        for name, command in {**COMMANDS, **subcommands(), "": cli}.items()
    }
    assert documented == expected


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_relative_link_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{label(page)} links to {target}"
        if anchor and file.suffix == ".md":
            anchors = {
                re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
                for heading in re.findall(
                    r"^#+ (.*)$", FENCE.sub("", file.read_text(encoding="utf-8")), re.MULTILINE
                )
            }
            assert anchor in anchors, f"{label(page)} links to {target}"


#: Paths in the plugin that docs/tutorial.md creates.
PATHS_OF_THE_TUTORIAL = {"tests/test_ganctl_cosh.py"}


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_path_exists(page: Path) -> None:
    """Paths that contain a word in capital letters, such as ``ganctl/PACKAGE/FILE.py``, are patterns."""
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w./~-])(?:ganctl|plugins|tests|docs|benchmarks)/[\w./-]*", text)
    paths = [path.rstrip(".") for path in paths if not re.search(r"\b(test_)?[A-Z]{2,}\b(?!\.md)", path)]
    missing = {path for path in paths if not (ROOT / path).exists()}
    assert missing <= (PATHS_OF_THE_TUTORIAL if page.name == "tutorial.md" else set())


def test_configuration_md_lists_every_setting_and_its_default() -> None:
    from dataclasses import fields

    of_the_model = {item.name for item in fields(Model)}
    documented = {}
    for heading, text in sections(DOCS / "configuration.md").items():
        if heading.startswith("Settings"):
            documented.update({row[0].strip("`"): row[1].strip("`") for row in rows(text)})
    expected = {}
    for name in HELP:
        default = DEFAULTS.get(name)
        if name in LISTS:
            default = ", ".join(spec.name for spec in default) or None
        expected[name] = "none" if default is None else str(default).lower()
        if name in of_the_model:
            expected[name] = "the model's"
    expected |= {"model": "required", "data": "required", "epochs": str(DEFAULT_EPOCHS)}
    assert documented == expected


def test_configuration_md_lists_every_short_form() -> None:
    documented = {row[0].strip("`") for row in rows(sections(DOCS / "configuration.md")["Short forms"])}
    assert documented == {*SHORTHANDS, "optimizer", "lr_schedule"}


def test_configuration_md_lists_settings_that_may_change_on_resume() -> None:
    page = DOCS / "configuration.md"
    text = sections(page)["What may change on resume"]
    assert {name for row in rows(text) for name in re.findall(r"`(\w+)`", row[0])} == CHANGEABLE
    names = ", ".join(sorted(CHANGEABLE))
    assert f"Only these settings may change on resume: {names}." in page.read_text(encoding="utf-8")


def test_toml_file_of_a_sweep_is_valid(tmp_path: Path) -> None:
    (text,) = blocks(DOCS / "sweeps.md", "toml")
    (tmp_path / "sweep.toml").write_text(text)
    assert len(make_request(tmp_path / "sweep.toml", {}, {}).planned) == 8


@pytest.mark.parametrize("page", [DOCS / "configuration.md", DOCS / "quickstart.md"], ids=label)
def test_every_toml_file_is_valid(page: Path) -> None:
    for text in blocks(page, "toml"):
        resolve(discovery.registry(), {"model": "dcgan", "data": "glyphs"}, tomllib.loads(text))


def test_code_in_python_api_md_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    code = blocks(DOCS / "python-api.md", "python")
    assert len(code) > 3
    for text in code:
        exec(compile(text, "docs/python-api.md", "exec"), names)

    # docs/run-folder.md must list the files and columns of this run.
    described = sections(DOCS / "run-folder.md")
    files = {row[0].strip("`").rstrip("/") for row in rows(described["The files"])}
    assert files - {"metrics.jsonl"} == {path.name for path in names["run"].path.iterdir()}
    columns = {row[0].strip("`") for row in rows(described["The columns of losses.jsonl"])}
    assert columns >= set(names["run"].losses[0])
    columns = {row[0].strip("`") for row in rows(described["The columns of timing.jsonl"])}
    import json

    assert columns == set(json.loads(names["run"].timing_file.read_text().splitlines()[0]))


def test_plugin_in_plugins_md_works(tmp_path: Path, ganctl: Ganctl) -> None:
    text = (DOCS / "plugins.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    project = tomllib.loads(files["pyproject.toml"])["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = "\n".join(f"{name} = {module}" for name, module in project["entry-points"]["ganctl"].items())
    (info / "entry_points.txt").write_text(f"[ganctl]\n{points}\n")

    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "GANCTL_STRICT": "1"}

    def run(*words: str) -> str:
        done = ganctl(*words, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert project["name"] in run("plugins")
    shown = [line.words for line in LINES if line.page.name == "plugins.md"]
    assert sum(line.startswith("train") for line in shown) >= 1
    for line in shown:
        run(*shlex.split(line))
    assert list(tmp_path.glob("runs/*/checkpoints/*.pt"))
