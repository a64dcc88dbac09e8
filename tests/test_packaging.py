"""What the distribution promises: exact versions within the allowed ones, no file left out, the plugin found."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

from packaging.requirements import Requirement
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from tests.support.tally import failures, tally, worth_another_try

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "gateway/web/client"


def plain(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub("[-_.]+", "-", name).lower()


def setup_script() -> ModuleType:
    """``setup.py`` as a module; it sets nothing up when imported."""
    spec = importlib.util.spec_from_file_location("consolegw_setup", ROOT / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ConstraintsTests(SynchronousTestCase):
    """constraints.txt against pyproject.toml."""

    def setUp(self) -> None:
        lines = (ROOT / "constraints.txt").read_text().splitlines()
        self.pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        self.wanted = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["test"]]

    def test_every_dependency_is_pinned_within_its_bounds(self) -> None:
        """Each requirement has an exact version, and that version is one pyproject.toml allows."""
        for requirement in self.wanted:
            self.assertIn(plain(requirement.name), self.pins)
            self.assertIn(self.pins[plain(requirement.name)], requirement.specifier, str(requirement))

    def test_every_dependency_is_bounded_above(self) -> None:
        """A release of tomorrow that breaks things is not installed by accident."""
        for requirement in self.wanted:
            self.assertTrue(any(spec.operator == "<" for spec in requirement.specifier), str(requirement))


class FilesTests(SynchronousTestCase):
    """What setup.py packs."""

    def test_importing_it_sets_nothing_up_and_every_module_is_in_a_package(self) -> None:
        """No directory below gateway/ holds modules without being a package that setup.py finds."""
        setup_script()
        folders = {path.parent for path in (ROOT / "gateway").rglob("*.py")}
        self.assertEqual([folder for folder in folders if not (folder / "__init__.py").is_file()], [])

    def test_every_data_file_is_packed(self) -> None:
        """Each file below gateway/ that is no module matches a pattern of setup.py, or is there for the build alone."""
        build_only = {CLIENT / name for name in ("package.json", "package-lock.json", "vendor.mjs")}
        packed = set(build_only)
        for package, patterns in setup_script().PACKAGE_DATA.items():
            for pattern in patterns:
                packed.update((ROOT / package.replace(".", "/")).glob(pattern))
        passing = {".py", ".pyc"}
        found = {path for path in (ROOT / "gateway").rglob("*") if path.is_file() and path.suffix not in passing}
        self.assertEqual({path for path in found - packed if "node_modules" not in path.parts}, set())

    def test_the_plugin_directory_stays_open(self) -> None:
        """An __init__.py there would hide Twisted itself."""
        self.assertEqual(list((ROOT / "twisted").rglob("__init__.py")), [])

    def test_twistd_finds_the_plugin(self) -> None:
        """``twistd consolegw`` is known, and points at gateway.tap."""
        makers = {maker.tapname: maker.module for maker in getPlugins(IServiceMaker)}
        self.assertEqual(makers.get("consolegw"), "gateway.tap")


class LockTests(SynchronousTestCase):
    """package-lock.json, which `npm ci` installs from."""

    def test_it_names_no_registry_and_checks_every_package(self) -> None:
        """The lock says what is fetched, by digest, and leaves open from where."""
        text = (CLIENT / "package-lock.json").read_text()
        self.assertNotIn("resolved", text)
        self.assertNotIn("http", text)
        packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
        self.assertIn("node_modules/@novnc/novnc", packages)
        for name, entry in packages.items():
            self.assertTrue(entry["integrity"].startswith("sha512-"), name)

    def test_it_agrees_with_package_json(self) -> None:
        """`npm ci` refuses a lock that has drifted from package.json."""
        wanted = json.loads((CLIENT / "package.json").read_text())["dependencies"]
        self.assertEqual(json.loads((CLIENT / "package-lock.json").read_text())["packages"][""]["dependencies"], wanted)


class TallyTests(SynchronousTestCase):
    """The closing line of a test run."""

    def test_counts_of_a_failed_run(self) -> None:
        """Errors and unexpected successes count as failed, expected failures as passed."""
        line = "FAILED (skips=4, expectedFailures=1, failures=2, errors=3, unexpectedSuccesses=1, successes=20)\n"
        self.assertEqual(tally(["Ran 31 tests in 1.0s\n", "\n", line]), (21, 6, 4))

    def test_counts_of_a_passed_run(self) -> None:
        """What was printed before is not mistaken for the summary."""
        self.assertEqual(tally(["PASSED by the way\n", "PASSED (successes=7)\n"]), (7, 0, 0))

    def test_failures(self) -> None:
        """Each failed test is named once, whatever else the run printed."""
        name = "tests.interop.test_tls.ReloadTests.test_sighup"
        lines = [
            "tests.interop.test_tls\n",
            "  test_sighup ... [ERROR]\n",
            "  File tests/x.py\n",
            f"{name}\n",
            f"{name}\n",
        ]
        self.assertEqual(failures(lines), [name])

    def test_second_try(self) -> None:
        """A few tests of real programs get one; many, other tests, or failures without a name do not."""
        real, unit = "tests.interop.test_tls.T.test_a", "tests.net.test_mux.T.test_a"
        self.assertTrue(worth_another_try([real], 1))
        for names, failed in (([], 0), ([real], 2), ([unit], 1), ([real, unit], 2), ([real] * 6, 6)):
            self.assertFalse(worth_another_try(names, failed), (names, failed))

    def test_no_summary(self) -> None:
        """A run that died says nothing."""
        self.assertIsNone(tally(["Traceback (most recent call last):\n"]))
