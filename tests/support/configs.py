"""Configurations for tests: a least one, and what a wrong one is refused with."""

from __future__ import annotations

from gateway.config import Config, ConfigError, parse

LEAST = '[gateway]\npublic_url = "https://gw.example"\n'


def read(text: str, base_dir: str = "/nowhere") -> Config:
    """Parse a text; the ``[gateway]`` table is put before it when it has none."""
    return parse(text if "[gateway]" in text else LEAST + text, file="gw.toml", base_dir=base_dir)


def refusal(text: str, base_dir: str = "/nowhere") -> str:
    """The message a text is refused with."""
    try:
        config = read(text, base_dir)
    except ConfigError as error:
        message = str(error)
        assert "\n" not in message, message
        return message
    raise AssertionError(f"accepted: {text!r} as {config!r}")
