"""What the documentation promises: its tables are the code's, its links lead somewhere, its examples load."""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway import __version__
from gateway.config import Config, parse
from gateway.config.settings import settings
from tests.support.configs import LEAST
from tests.support.tables import DIAGRAM, MADE, ROOT, diagram, pages, renewed

README = ROOT / "README.md"
#: Keys of the table ``[gateway]`` look like names of the package.
SETTINGS = {one.dotted for one in settings()}

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_DOTTED = re.compile(r"gateway(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_FILE = re.compile(r"[a-z0-9_./]+\.(?:py|js|sql)|gateway/[a-z_/]+")
_SECRET_FILE = re.compile(r'_file = "([^"]+)"')
#: Where a file that is named in passing may lie: most are named from the package on.
_HOMES = (ROOT, ROOT / "gateway", ROOT / "gateway/web/client", ROOT / "gateway/wire/rfb")


def name_of(page: Path) -> str:
    """A page as a failure shows it."""
    return page.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """The headings of a page, as links name them."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Where a page leads within this tree: a file, and perhaps a heading in it."""
    for target in _LINK.findall(prose(page.read_text("utf-8"))):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield ((page.parent / path).resolve() if path else page), anchor


def exists(dotted: str) -> bool:
    """Whether there is a module, or something in one, by this name."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return part in getattr(found, "__annotations__", {})
            found = getattr(found, part)
        return True
    return False


def read(text: str) -> Config:
    """A configuration of the documentation, with the secrets that it names, in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        for name in _SECRET_FILE.findall(text):
            secret = Path(directory) / name
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_text("secret\n")
            secret.chmod(0o600)
        return parse(text if "public_url" in text else LEAST + text, file="docs", base_dir=directory)


class TableTests(SynchronousTestCase):
    """What is made from the code."""

    def test_every_table_says_what_the_code_says(self) -> None:
        """A page is what ``python -m tests.support.tables`` would make of it."""
        for page in pages():
            text = page.read_text("utf-8")
            self.assertEqual(text, renewed(text), f"{name_of(page)}: run python -m tests.support.tables")

    def test_every_table_is_somewhere(self) -> None:
        """No table lost its markers."""
        text = "".join(page.read_text("utf-8") for page in pages())
        for name in [*MADE, "bounds"]:
            self.assertEqual(text.count(f"<!-- table: {name} -->"), 1, name)

    def test_a_table_that_is_out_of_date_is_noticed(self) -> None:
        """A changed cell, a missing row and a stale value are put right."""
        text = (ROOT / "docs/security.md").read_text("utf-8")
        self.assertEqual(renewed(re.sub(r"(MAX_HEAD` \| )[0-9,]+", r"\g<1>1", text)), text)
        text = (ROOT / "docs/operations.md").read_text("utf-8")
        self.assertEqual(renewed(text.replace("| `finished` | 1000 |", "| `done` | 1000 |")), text)
        self.assertEqual(renewed(re.sub(r"\| `gateway.node` .*\n", "", text)), text)

    def test_the_diagram_is_that_of_the_table(self) -> None:
        """The graph of a session's states is made from the table that the sessions run on."""
        self.assertEqual(DIAGRAM.read_text("utf-8"), diagram())


class LinkTests(SynchronousTestCase):
    """What pages lead to and name."""

    def test_every_link_leads_somewhere(self) -> None:
        """Files that are linked are there, and so are the headings."""
        for page in pages():
            for target, anchor in links(page):
                self.assertTrue(target.exists(), f"{name_of(page)} links {target}")
                if anchor and target.suffix == ".md":
                    self.assertIn(anchor, anchors(target.read_text("utf-8")), f"{name_of(page)} links {target}")

    def test_every_page_is_reached_from_the_readme(self) -> None:
        """No page lies where nobody finds it."""
        reached, waiting = set(), [README]
        while waiting:
            page = waiting.pop()
            reached.add(page)
            for target, _ in links(page):
                found = sorted(target.glob("*.md")) if target.is_dir() else [target]
                waiting += [one for one in found if one.suffix == ".md" and one not in reached]
        self.assertEqual({name_of(page) for page in set(pages()) - reached}, set())

    def test_everything_named_of_the_code_exists(self) -> None:
        """Modules, classes, constants and files in the text are there under these names."""
        for page in pages():
            for word in _CODE.findall(prose(page.read_text("utf-8"))):
                if _DOTTED.fullmatch(word) and word not in SETTINGS:
                    self.assertTrue(exists(word), f"{name_of(page)} names {word}")
                elif _FILE.fullmatch(word):
                    self.assertTrue(any((home / word).exists() for home in _HOMES), f"{name_of(page)} names {word}")

    def test_names_that_are_gone_are_noticed(self) -> None:
        """A module, a class or an attribute that is not there does not exist."""
        for dotted in ("gateway.nowhere", "gateway.net.mux.Nobody", "gateway.net.mux.Mux.nothing"):
            self.assertFalse(exists(dotted), dotted)
        self.assertTrue(exists("gateway.net.mux.Mux.begin"))


class ExampleTests(SynchronousTestCase):
    """What readers will type."""

    def test_every_configuration_loads(self) -> None:
        """Each piece of TOML in the documentation is accepted by this version."""
        found = [(page, text) for page in pages() for kind, text in _FENCE.findall(page.read_text()) if kind == "toml"]
        self.assertIn(README, [page for page, _ in found])
        for _, text in found:
            read(text)

    def test_the_quick_start_is_ten_lines_and_one_console(self) -> None:
        """The README's configuration is as short as it says, and opens the console that its commands name."""
        (text,) = [text for kind, text in _FENCE.findall(README.read_text()) if kind == "toml"]
        self.assertLessEqual(len(text.splitlines()), 10)
        (console,) = read(text).consoles
        self.assertIn(f"consolegw ticket {console.name} ", README.read_text())

    def test_every_make_target_exists(self) -> None:
        """What the documentation tells to make can be made."""
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        for page in pages():
            named = re.findall(r"(?:^ {4}|`)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
            self.assertEqual(set(named) - targets, set(), name_of(page))
        self.assertLessEqual({"run", "test"}, set(re.findall(r"^ {4}make ([a-z]+)", README.read_text(), re.MULTILINE)))

    def test_the_changes_begin_with_this_version(self) -> None:
        """The newest entry of the change log is the version that the package says it is."""
        versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "docs/CHANGELOG.md").read_text(), re.MULTILINE)
        self.assertEqual(versions[0], __version__)
