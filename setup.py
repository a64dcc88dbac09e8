"""
The packages and data files of the distribution; everything else stands in pyproject.toml.

A wheel or sdist carries the browser client: npm is run when ``vendor/`` is not there yet.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

CLIENT = Path("gateway/web/client")
PACKAGE_DATA = {
    "gateway": ["py.typed"],
    "gateway.stores": ["schema/*.sql"],
    "gateway.web": ["client/*.html", "client/assets/*", "client/vendor/**/*"],
}


def fetch_browser_client() -> None:
    """Put noVNC into ``vendor/``, unless it is there."""
    if (CLIENT / "vendor").is_dir():
        return
    try:
        for command in (["npm", "ci", "--ignore-scripts", "--silent"], ["npm", "run", "--silent", "vendor"]):
            subprocess.run(command, cwd=CLIENT, check=True)
    except FileNotFoundError:
        raise SystemExit("npm is missing: it fetches the browser client (apt-get install npm)") from None
    except subprocess.CalledProcessError as failed:
        raise SystemExit(f"the browser client could not be fetched: {' '.join(failed.cmd)} failed") from None


class BuildWithClient(build_py):
    """Builds the packages, the browser client among their data; a checkout uses its own (``make client``)."""

    def run(self) -> None:
        if not self.editable_mode:
            fetch_browser_client()
        super().run()


class SdistWithClient(sdist):
    """Packs the browser client too, so that building from an sdist needs no npm."""

    def run(self) -> None:
        fetch_browser_client()
        super().run()


if __name__ == "__main__":
    setup(
        packages=[*find_packages(include=["gateway", "gateway.*"]), "twisted.plugins"],
        package_data=PACKAGE_DATA,
        include_package_data=False,
        cmdclass={"build_py": BuildWithClient, "sdist": SdistWithClient},
    )
