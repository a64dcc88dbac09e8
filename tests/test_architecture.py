"""
The floors, read from the source: who may import what, and what every module must have.

``gateway`` is looked at and not imported, so a module that does not even load is judged too.
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent

FUNCTION_MAX = 60
MODULE_MAX = 350
"""Lines; ours are meant to be 40 and 300, here the runaway is caught."""

#: What a package may import of ``gateway``, itself besides.  ``sessions`` and ``web`` are given the rest as seams.
MAY_IMPORT = {
    "wire": set(),
    "model": set(),
    "config": {"model"},
    "net": {"wire", "model"},
    "stores": {"model"},
    "hypervisors": {"model", "wire"},
    "observe": {"model"},
    "sessions": {"net", "model", "wire"},
    "web": {"sessions", "net", "observe", "model", "wire"},
    "service": {"config", "web", "sessions", "net", "stores", "hypervisors", "observe", "model", "wire"},
    "tap": {"service", "config", "observe", "model"},
    "cli": {"config", "model"},
}

#: What a package must never import from elsewhere.
NEVER = {
    "wire": ["twisted", "autobahn", "zope", "socket", "ssl", "OpenSSL", "asyncio", "time", "logging", "random"],
    "config": ["twisted"],
    "sessions": ["autobahn"],
    "web": ["OpenSSL"],
}

#: What only these files may import, or name.
ONLY_IN = {
    "autobahn": {"net/websocket.py", "web/websocket.py"},
    "OpenSSL": {"net/certificates.py", "net/tls_client.py", "net/fast.py"},
    "txredisapi": {"stores/redis.py"},
    "twisted.internet.reactor": {"tap.py"},
    "twisted.internet.threads.deferToThread": set(),
}

#: Modules without a test module of their own, and why.  A line that is not needed any more is a fault too.
UNTESTED = {
    "model/errors.py": "names and sentences",
    "model/seams.py": "protocols without code; their contracts are in tests/support/contracts.py",
}

_IGNORED = re.compile(r"#\s*type:\s*ignore(?!\[[a-z-]+)")
_REASON_AT = {"SkipTest": 0, "skipTest": 0, "skip": 0, "skipIf": 1, "skipUnless": 1}


def faults(root: Path) -> Iterator[str]:
    """Everything that is wrong with the tree of ``gateway`` and ``tests`` below a directory, as ``file: what``."""
    source, tests = root / "gateway", root / "tests"
    for file in sorted(source.rglob("*.py")):
        where = file.relative_to(source).as_posix()
        yield from (f"{where}: {fault}" for fault in [*source_faults(where, file), *companion_faults(where, tests)])
    for file in sorted(tests.rglob("*.py")):
        where = file.relative_to(root).as_posix()
        yield from (f"{where}: {fault}" for fault in skip_faults(ast.parse(file.read_text("utf-8"), where)))
    yield from (f"{where}: is excused and does not exist" for where in UNTESTED if not (source / where).exists())


def source_faults(where: str, file: Path) -> list[str]:
    """What is wrong with one module by itself."""
    text = file.read_text("utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [f"line {error.lineno} is no Python: {error.msg}"]
    return [*import_faults(where, tree), *form_faults(where, text, tree)]


def imported(tree: ast.Module) -> Iterator[str]:
    """Every dotted name that a module imports anywhere, also for its types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def is_within(name: str, package: str) -> bool:
    """Whether a dotted name is a package or something in it."""
    return name == package or name.startswith(package + ".")


def import_faults(where: str, tree: ast.Module) -> Iterator[str]:
    """Imports that go up, sideways, or out of the one file that may have them."""
    floor = where.partition("/")[0].removesuffix(".py")
    for name in imported(tree):
        top, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if name.startswith("."):
            yield f"imports {name}: imports are absolute"
        elif top == "gateway" and other in MAY_IMPORT and other != floor:
            if floor not in MAY_IMPORT or other not in MAY_IMPORT[floor]:
                yield f"imports {name}: {floor} must not know {other}"
        elif floor == "model" and top not in {"gateway", "attrs", "attr", *sys.stdlib_module_names}:
            yield f"imports {name}: model knows the standard library and attrs"
        elif any(is_within(name, never) for never in NEVER.get(floor, ())):
            yield f"imports {name}: never in {floor}"
        else:
            yield from (f"imports {name}" for only in ONLY_IN if is_within(name, only) and where not in ONLY_IN[only])
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "deferToThread":
            yield "names deferToThread"


def form_faults(where: str, text: str, tree: ast.Module) -> Iterator[str]:
    """No docstring, too long, or a type error silenced without saying which."""
    if not ast.get_docstring(tree):
        yield "has no docstring"
    if (lines := text.count("\n")) > MODULE_MAX:
        yield f"has {lines} lines"
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    for function in functions:
        if (lines := (function.end_lineno or function.lineno) - function.lineno + 1) > FUNCTION_MAX:
            yield f"{function.name} has {lines} lines"
    for number, line in enumerate(text.splitlines(), 1):
        if _IGNORED.search(line):
            yield f"line {number} ignores types without saying which error"


def companion_faults(where: str, tests: Path) -> Iterator[str]:
    """``gateway/a/b.py`` without ``tests/a/test_b.py``."""
    folder, _, name = where.rpartition("/")
    exists = (tests / folder / f"test_{name}").is_file()
    if name != "__init__.py" and not exists and where not in UNTESTED:
        yield "has no test module"
    if exists and where in UNTESTED:
        yield "is excused from having the test module that it has"


def skip_faults(tree: ast.Module) -> Iterator[str]:
    """Tests that are left out and do not say why."""
    for node in ast.walk(tree):
        skipping = isinstance(node, ast.Call) and _name(node.func) in _REASON_AT and not _has_reason(node)
        bare = isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id == "SkipTest"
        if skipping or bare or (isinstance(node, ast.Assign) and _is_unreasoned(node)):
            yield f"line {node.lineno} skips without a reason"


def _has_reason(call: ast.Call) -> bool:
    place = _REASON_AT[_name(call.func)]
    reasons = [*call.args[place : place + 1], *(word.value for word in call.keywords if word.arg in ("reason", "msg"))]
    return any(not isinstance(reason, ast.Constant) or reason.value for reason in reasons)


def _is_unreasoned(assignment: ast.Assign) -> bool:
    """``skip = True`` and the like, in trial's way of leaving tests out."""
    marks = {"skip", "todo"} & {_name(target) for target in assignment.targets}
    value = assignment.value
    return bool(marks) and isinstance(value, ast.Constant) and (value.value is True or value.value == "")


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class ArchitectureTests(SynchronousTestCase):
    """This tree."""

    def test_the_floors_hold_and_every_module_has_what_it_must(self) -> None:
        """Imports point down, and no module lacks its docstring, its test, or an end."""
        found = list(faults(ROOT))
        self.assertEqual(found, [], "\n" + "\n".join(found))


class CheckerTests(SynchronousTestCase):
    """The checks themselves, on small trees that are wrong."""

    def judge(self, files: dict[str, str]) -> list[str]:
        """The faults of a tree that has these files, but for those that every such tree has."""
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(dedent(text))
            return [fault for fault in faults(root) if "does not exist" not in fault and "no test module" not in fault]

    def assert_refused(self, where: str, lines: Iterable[str]) -> None:
        """Each line is a fault of this file, by itself."""
        for line in lines:
            found = self.judge({f"gateway/{where}": f'"""Says what it is."""\n{line}\n'})
            self.assertEqual(len(found), 1, f"{where}: {line}: {found}")
            self.assertTrue(found[0].startswith(f"{where}: "), found)

    def test_imports_of_the_domain_and_of_bytes(self) -> None:
        """The lowest floors know nothing that does I/O, and nothing of ours above them."""
        outside = NEVER["wire"]
        self.assert_refused("wire/rfb/x.py", [f"import {name}" for name in outside])
        self.assert_refused("wire/x.py", ["from gateway.model import secret", "from gateway import model"])
        self.assert_refused("model/x.py", ["from zope.interface import x", "import twisted", "import gateway.wire.x"])
        self.assert_refused("config/x.py", ["from twisted.internet import endpoints", "from gateway.net import dial"])

    def test_imports_sideways_and_up(self) -> None:
        """Adapters do not know each other, and nobody knows who puts them together."""
        for floor in ("net", "stores", "hypervisors", "observe"):
            others = {"net", "stores", "hypervisors", "observe", "sessions", "web", "config", "service"} - {floor}
            self.assert_refused(f"{floor}/x.py", [f"import gateway.{other}.y" for other in others])
        self.assert_refused("stores/x.py", ["from gateway.wire import reader"])
        for other in ("web", "stores", "hypervisors", "observe", "config", "tap"):
            self.assert_refused("sessions/x.py", [f"def f():\n    from gateway.{other} import y"])
        for other in ("stores", "hypervisors", "config", "service", "cli"):
            self.assert_refused("web/x.py", [f"if TYPE_CHECKING:\n    from gateway.{other} import y"])

    def test_imports_that_one_file_may_have(self) -> None:
        """What each library does is behind one module; the reactor is handed on."""
        reactors = ["from twisted.internet import reactor", "import twisted.internet.reactor"]
        threads = ["from twisted.internet.threads import deferToThread", "threads.deferToThread(f)"]
        outside = ["import autobahn.twisted", "from OpenSSL import SSL", "import txredisapi", "from . import y"]
        self.assert_refused("net/x.py", [*reactors, *threads, *outside])
        self.assert_refused("tap.py", threads)
        self.assert_refused("sessions/websocket.py", ["import autobahn"])

    def test_what_is_allowed(self) -> None:
        """Down is allowed, and so is each file with a name for it."""
        allowed = {
            "net/websocket.py": "from autobahn.twisted import websocket",
            "net/certificates.py": "from OpenSSL import SSL",
            "tap.py": "from twisted.internet import reactor\nfrom gateway.config import load",
            "observe/x.py": "from gateway import __version__",
            "service/x.py": "from gateway.stores import opening\nfrom gateway.config import Config",
            "wire/x.py": "import struct\nfrom gateway.wire import reader",
        }
        self.assertEqual(self.judge({f"gateway/{name}": f'"""A."""\n{text}\n' for name, text in allowed.items()}), [])

    def test_form(self) -> None:
        """A module says what it is, ends, and names the type errors that it ignores."""
        self.assertEqual(self.judge({"gateway/net/x.py": "a = 1\n"}), ["net/x.py: has no docstring"])
        self.assert_refused("net/x.py", ["a = 1\n" * MODULE_MAX])
        self.assert_refused("net/x.py", ["async def f():\n" + "    a = 1\n" * FUNCTION_MAX])
        self.assert_refused("net/x.py", ["a = b  # type: " + "ignore", "def f(:"])
        self.assertEqual(self.judge({"gateway/net/x.py": '"""A."""\na = b  # type: ' + "ignore[attr-defined]\n"}), [])

    def test_test_modules(self) -> None:
        """Each module has its test module; one that is excused must need it."""
        with tempfile.TemporaryDirectory() as directory:
            tests = Path(directory)
            (tests / "net").mkdir()
            (tests / "net/test_x.py").touch()
            (tests / "model").mkdir()
            (tests / "model/test_errors.py").touch()
            self.assertEqual(list(companion_faults("net/x.py", tests)), [])
            self.assertEqual(len(list(companion_faults("net/y.py", tests))), 1)
            self.assertEqual(len(list(companion_faults("model/errors.py", tests))), 1)
            self.assertEqual(list(companion_faults("net/__init__.py", tests)), [])

    def test_skips(self) -> None:
        """Who leaves a test out says why."""
        wrong = ("raise SkipTest()", "raise SkipTest", "raise SkipTest('')", "class A:\n    skip = True", "a.todo = ''")
        for text in (*wrong, "self.skipTest()", "@unittest.skipIf(a)\ndef f(): ..."):
            self.assertEqual(len(self.judge({"tests/test_x.py": text})), 1, text)
        for text in ("raise SkipTest('no Xvnc')", "skip = None if a else 'no IPv6'", "@skipIf(a, 'b')\ndef f(): ..."):
            self.assertEqual(self.judge({"tests/test_x.py": text}), [], text)
