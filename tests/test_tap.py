"""The command line of ``twistd consolegw``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.application.service import Application, IServiceCollection, IServiceMaker, Service
from twisted.logger import ILogObserver
from twisted.plugin import getPlugins
from twisted.python.usage import UsageError
from twisted.scripts.twistd import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from gateway import tap
from gateway.service.listeners import CannotListen


class TapTests(SynchronousTestCase):
    """From options to a service, or to one line."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.file = self.directory / "consolegw.toml"

    def options(self, *argv: str) -> tap.Options:
        options = tap.Options()
        options.parseOptions(argv)
        return options

    def refusal(self, text: str) -> str:
        """The line with which a configuration is refused."""
        self.file.write_text(text)
        with self.assertRaises(SystemExit) as ended:
            tap.makeService(self.options("--config", str(self.file)))
        line = str(ended.exception)
        self.assertTrue(line.startswith("consolegw: ") and "\n" not in line, line)
        return line

    def test_twistd_knows_it(self) -> None:
        """The plugin is found under its name, and leads here."""
        (maker,) = (one for one in getPlugins(IServiceMaker) if one.tapname == "consolegw")
        self.assertIs(tap.makeService, maker.makeService)
        self.assertIs(tap.Options, maker.options)

    def test_options(self) -> None:
        """A configuration may be given, short or long; nothing else is taken."""
        self.assertIsNone(self.options()["config"])
        self.assertEqual("x.toml", self.options("-c", "x.toml")["config"])
        self.assertEqual((0, 1), (self.options()["log-json"], self.options("--log-json")["log-json"]))
        for wrong in ("--colour", "x.toml"):
            self.assertRaises(UsageError, self.options, wrong)

    def test_a_service(self) -> None:
        """A good configuration becomes a service, which brings its log to the application it is put into."""
        self.file.write_text('[gateway]\npublic_url = "https://x"\n[tickets]\nstore = "memory"\n')
        made = tap.makeService(self.options("--config", str(self.file)))
        application = Application("test")
        made.setServiceParent(application)
        self.assertEqual([made], list(IServiceCollection(application)))
        self.assertIsNotNone(application.getComponent(ILogObserver))
        self.assertTrue((self.directory / "keys" / "default.pem").exists())

    def test_a_wrong_configuration(self) -> None:
        """One line ends it, which names the file and the key; nothing was made."""
        self.assertIn(f"{self.file}: gateway.public_url", self.refusal("[gateway]\n"))
        self.assertIn("not in this version", self.refusal('[gateway]\npublic_url = "https://x"\nworkers = 2\n'))
        self.assertEqual(["consolegw.toml"], os.listdir(self.directory))

    def test_a_file_that_cannot_be_used(self) -> None:
        """So does a key or certificate that is broken."""
        (self.directory / "keys").mkdir()
        (self.directory / "keys" / "default.pem").write_text("nonsense")
        self.assertIn("default.pem", self.refusal('[gateway]\npublic_url = "https://x"\n'))

    def test_the_demo(self) -> None:
        """Without a configuration it is the demo's, below the current directory."""
        config = tap.read_config(None)
        self.assertEqual(Path.cwd() / "keys", config.tls.keys)
        self.assertEqual(["demo"], [console.name for console in config.consoles])

    def test_a_port_that_is_taken(self) -> None:
        """At the start that ends the process, with one line."""

        class Taken(Service):
            def privilegedStartService(self) -> None:
                raise CannotListen("listen-1: tcp:1: it is taken")

        root = tap.Gateway(sys.stdout, False)
        Taken().setServiceParent(root)
        with self.assertRaises(SystemExit) as ended:
            root.privilegedStartService()
        self.assertEqual("consolegw: listen-1: tcp:1: it is taken", str(ended.exception))

    def test_where_the_log_goes(self) -> None:
        """Where twistd would log: the terminal in the foreground, else the file that it names."""
        for argv, name in ((["-n"], "-"), (["-n", "-l", "gw.log"], "gw.log"), ([], "twistd.log"), (["-l", "-"], "-")):
            above = ServerOptions()
            above.parseOptions([*argv, "consolegw"])
            here, before = self.directory, os.getcwd()
            os.chdir(here)
            try:
                out = tap._log_file(above.subOptions)
            finally:
                os.chdir(before)
            if name == "-":
                self.assertIs(sys.stdout, out)
            else:
                self.addCleanup(out.close)
                self.assertEqual(0o640, (here / name).stat().st_mode & 0o777)
