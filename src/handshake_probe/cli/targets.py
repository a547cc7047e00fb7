"""Hosts and addresses as the user gives them."""

from __future__ import annotations

import click


class Target(click.ParamType[tuple[str, int]]):
    """`HOST`, `HOST:PORT`, `[ADDRESS]:PORT`."""

    name = "host"

    def __init__(self, default_port: int) -> None:
        self._default_port = default_port

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Host and port."""
        text = str(value)
        host, port = text, self._default_port
        if text.count(":") == 1 or text.startswith("["):
            host, _, number = text.rpartition(":") if not text.endswith("]") else (text, "", "")
            host = (host or text).strip("[]")
            if number and not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
                self.fail(f"{text!r}: the port must be a number from 1 to 65535", param, ctx)
            port = int(number) if number else port
        if not host or any(c.isspace() or ord(c) < 33 for c in host):
            self.fail(f"{text!r} is no host", param, ctx)
        return host, port


class Address(click.ParamType[str]):
    """An IP address."""

    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """An IP address in its canonical text."""
        import ipaddress

        try:
            return str(ipaddress.ip_address(str(value)))
        except ValueError:
            self.fail(f"{value!r} is no IP address", param, ctx)
