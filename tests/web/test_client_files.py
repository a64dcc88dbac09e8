"""The shipped page, as files: what the Content-Security-Policy would refuse, or would leak, is not in them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

from twisted.trial.unittest import SkipTest, SynchronousTestCase

CLIENT = Path(__file__).parent.parent.parent / "gateway/web/client"
ASSETS = CLIENT / "assets"
VENDOR = CLIENT / "vendor"

#: Where each page is served; what it refers to is found relative to that.
PAGES = {"console.html": "/console/", "home.html": "/"}
NOVNC = "/console/vendor/novnc/"


def served(url: str) -> Path:
    """The file behind a path of the gateway."""
    assert url.startswith("/console/"), url
    return CLIENT / url.removeprefix("/console/")


class Page(HTMLParser):
    """The parts of an HTML page that these tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.script_text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.script_text += data.strip()

    @property
    def references(self) -> list[str]:
        return [value or "" for _, attrs in self.tags for name, value in attrs.items() if name in ("src", "href")]


class PageTests(SynchronousTestCase):
    """The two HTML files."""

    def setUp(self) -> None:
        self.pages = {name: Page((CLIENT / name).read_text()) for name in PAGES}

    def test_nothing_is_inline(self) -> None:
        """No script text, no style element or attribute, no handler attribute: the policy would refuse them."""
        for name, page in self.pages.items():
            self.assertEqual(page.script_text, "", name)
            for tag, attrs in page.tags:
                self.assertNotEqual(tag, "style", name)
                inline = [attr for attr in attrs if attr == "style" or attr.startswith("on")]
                self.assertEqual(inline, [], f"{name}: <{tag}>")

    def test_references_are_relative_and_exist(self) -> None:
        """Each src and href begins with ./ and leads to a file that is shipped."""
        for name, page in self.pages.items():
            self.assertNotEqual(page.references, [])
            for url in page.references:
                self.assertTrue(url.startswith("./"), f"{name}: {url}")
                self.assertTrue(served(urljoin(PAGES[name], url)).is_file(), f"{name}: {url}")

    def test_no_referrer(self) -> None:
        """Both pages forbid referrers themselves, whoever serves them."""
        for name, page in self.pages.items():
            self.assertIn(("meta", {"name": "referrer", "content": "no-referrer"}), page.tags, name)

    def test_every_element_that_a_script_takes_is_there(self) -> None:
        """The ids named in view.js stand in console.html."""
        ids = {attrs.get("id") for _, attrs in self.pages["console.html"].tags}
        wanted = set(re.findall(r'element\("([\w-]+)"\)', (ASSETS / "view.js").read_text()))
        self.assertIn("state", wanted)
        self.assertEqual(wanted - ids, set())


class AssetTests(SynchronousTestCase):
    """Our own scripts and styles."""

    def setUp(self) -> None:
        self.scripts = {path.name: path.read_text() for path in ASSETS.glob("*.js")}

    def imports(self, name: str) -> list[str]:
        """The URLs of what a script imports."""
        found = re.findall(r'\b(?:from|import)\s*\(?\s*"([^"]+)"', self.scripts[name])
        for url in found:
            self.assertRegex(url, r"^\.\.?/.*\.js$", name)
        return [urljoin(f"/console/assets/{name}", url) for url in found]

    def test_imports_exist_and_every_script_is_used(self) -> None:
        """From console.js every script is reached, and each import is a file we ship."""
        reached, ahead = set(), ["console.js"]
        while ahead:
            name = ahead.pop()
            reached.add(name)
            for url in self.imports(name):
                if url.startswith(NOVNC):
                    continue
                self.assertTrue(served(url).is_file(), f"{name}: {url}")
                ahead += [Path(url).name] if Path(url).name not in reached else []
        self.assertEqual(reached, set(self.scripts))

    def test_nothing_can_lead_elsewhere(self) -> None:
        """No absolute address, no query of the page's own address: the page speaks to where it came from."""
        for name, text in self.scripts.items():
            for pattern in (r"\b(?:https?|wss?)://", r"location\.search", r"searchParams", r"postMessage"):
                self.assertNotRegex(text, pattern, name)

    def test_nothing_is_logged_or_left_behind(self) -> None:
        """Secrets reach no log, no cookie and no lasting storage."""
        for name, text in self.scripts.items():
            for pattern in (
                r"\bconsole\.(?:log|debug|info|warn|error|dir|trace)\b",
                r"document\.cookie",
                r"localStorage",
            ):
                self.assertNotRegex(text, pattern, name)

    def test_texts_of_others_stay_texts(self) -> None:
        """What a server or a machine says is never parsed as markup or code."""
        for name, text in self.scripts.items():
            for pattern in (r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", r"\beval\(|new Function"):
                self.assertNotRegex(text, pattern, name)

    def test_styles_load_nothing(self) -> None:
        """The style sheets name no other file."""
        for path in ASSETS.glob("*.css"):
            self.assertNotRegex(path.read_text(), r"url\(|@import", path.name)


class VendorTests(SynchronousTestCase):
    """noVNC as `make client` fetched it."""

    IMPORT = r"""^(?:import|export) (?:[^;'"(]*?from )?['"]([^'"]+)['"]"""

    def setUp(self) -> None:
        if not VENDOR.is_dir():
            raise SkipTest("the browser client is not there: make client")

    def test_novnc_is_of_the_version_the_page_was_written_for(self) -> None:
        """1.7: its modules lie in core/, and it takes a socket of ours."""
        version = json.loads((VENDOR / "novnc/package.json").read_text())["version"]
        self.assertRegex(version, r"^1\.7\.\d+$")

    def test_its_modules_are_complete(self) -> None:
        """Every import, from the one of link.js on, leads to a file that is there."""
        ahead, seen = [VENDOR / "novnc/core/rfb.js"], set()
        while ahead:
            path = ahead.pop()
            if path in seen:
                continue
            seen.add(path)
            self.assertTrue(path.is_file(), str(path))
            imports = re.findall(
                r"""^(?:import|export) (?:[^;'"(]*?from )?['"]([^'"]+)['"]""", path.read_text(), re.MULTILINE
            )
            ahead += [(path.parent / url).resolve() for url in imports]
        self.assertGreater(len(seen), 30)

    def test_its_licences_come_along(self) -> None:
        """MPL-2.0 for noVNC, MIT for pako."""
        for name in ("LICENSE.txt", "docs/LICENSE.MPL-2.0", "vendor/pako/LICENSE"):
            self.assertTrue((VENDOR / "novnc" / name).is_file(), name)
