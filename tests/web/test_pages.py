"""The browser client's files."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.web.pages import client_files
from tests.support.web import WebBench

CONTENT = {
    "home.html": b"<p>home",
    "console.html": b"<p>console",
    "package.json": b"{}",
    "vendor.mjs": b"no",
    "assets/console.js": b"import",
    "assets/icon.svg": b"<svg>",
    "assets/console.css": b"p{}",
    "vendor/novnc/core/rfb.js": b"export",
    "vendor/novnc/x.wasm": b"\0asm",
    "vendor/novnc/AUTHORS": b"people",
    "node_modules/x.js": b"no",
}


class PagesCase(SynchronousTestCase):
    def setUp(self):
        root = Path(self.mktemp())
        for name, content in CONTENT.items():
            path = root / "client" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (root / "secret.txt").write_text("s3cret")
        self.bench = WebBench(root)
        self.bench.files = client_files(root / "client")
        self.bench.serve(())

    def get(self, path, method="GET", **headers):
        return self.bench.ask(method, path, **headers)


class FilesTests(PagesCase):
    def test_files(self):
        """Pages, assets and what npm brought are at their paths, each with its type."""
        for path, name, kind in (
            ("/", "home.html", "text/html; charset=utf-8"),
            ("/console/", "console.html", "text/html; charset=utf-8"),
            ("/console/?x=y", "console.html", "text/html; charset=utf-8"),
            ("/console/assets/console.js", "assets/console.js", "text/javascript; charset=utf-8"),
            ("/console/assets/console.css", "assets/console.css", "text/css; charset=utf-8"),
            ("/console/assets/icon.svg", "assets/icon.svg", "image/svg+xml"),
            ("/console/vendor/novnc/core/rfb.js", "vendor/novnc/core/rfb.js", "text/javascript; charset=utf-8"),
            ("/console/vendor/novnc/x.wasm", "vendor/novnc/x.wasm", "application/wasm"),
            ("/console/vendor/novnc/AUTHORS", "vendor/novnc/AUTHORS", "text/plain; charset=utf-8"),
        ):
            reply = self.get(path)
            self.assertEqual((reply.status, reply.body, reply.headers["Content-Type"]), (200, CONTENT[name], kind))
            self.assertEqual(reply.headers["Cache-Control"], "no-cache")

    def test_nothing_else(self):
        """There are no other files, no listings, and no way up."""
        for path in (
            "/console/package.json",
            "/package.json",
            "/console/vendor.mjs",
            "/console/node_modules/x.js",
            "/home.html",
            "/console/assets",
            "/console/assets/",
            "/console/vendor/novnc/",
            "/console/assets/../console.html",
            "/console/assets/../../secret.txt",
            "/console/assets/..%2f..%2fsecret.txt",
            "/console/assets/%2e%2e/%2e%2e/secret.txt",
            "/console//assets/console.js",
            "//console/",
            "/console/assets/console.js%00",
            "/console/assets/console%2ejs",
        ):
            reply = self.get(path)
            self.assertEqual((reply.status, reply.body), (404, b"There is nothing here.\n"), path)

    def test_moved(self):
        """Without its slash the console page is elsewhere."""
        reply = self.get("/console")
        self.assertEqual((reply.status, reply.headers["Location"]), (308, "/console/"))

    def test_tags(self):
        """A file that a browser has already is not sent again; a changed one is."""
        tag = self.get("/").headers["ETag"]
        self.assertNotEqual(tag, self.get("/console/").headers["ETag"])
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            reply = self.get("/", If_None_Match=known)
            self.assertEqual((reply.status, reply.body, reply.headers["ETag"]), (304, b"", tag), known)
        for known in ('"x"', tag.strip('"'), ""):
            self.assertEqual(self.get("/", If_None_Match=known).status, 200, known)

    def test_methods(self):
        """Files are read and nothing else; OPTIONS says so."""
        head = self.get("/", "HEAD")
        self.assertEqual((head.status, head.body, head.headers["Content-Length"]), (200, b"", "7"))
        for method, status in (("POST", 405), ("PUT", 405), ("TRACE", 405), ("OPTIONS", 204)):
            reply = self.get("/", method)
            self.assertEqual((reply.status, reply.headers["Allow"]), (status, "GET, HEAD, OPTIONS"))


class PackageTests(SynchronousTestCase):
    def test_of_this_package(self):
        """The package's own pages are found, whether or not npm has brought the rest."""
        found = client_files()
        self.assertIn(b"<!doctype html>", found[b"/"].content)
        self.assertIn(b"./assets/console.js", found[b"/console/"].content)
        self.assertIn(b"/console/assets/console.js", found)

    def test_empty(self):
        """Without any file there is nothing, and no error."""
        root = Path(self.mktemp())
        root.mkdir()
        self.assertEqual(client_files(root), {})
