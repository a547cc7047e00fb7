"""Everything that answers in a scenario beside the cloud: names, time, boxes on the path."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from functools import partial

from handshake_probe.lab import plan, stand_ins, udp
from handshake_probe.lab.beside import TIME_REQUEST
from handshake_probe.lab.injector import Injector, forging_socket, sniffing_socket
from handshake_probe.lab.network import Network
from handshake_probe.lab.scenario import CLOUD, INTERNET, ROUTERS, SHAPER, Box, Scenario
from handshake_probe.lab.shaper import Bridge, bridging_socket
from handshake_probe.lab.topology import BOX_PORT, SHAPER_ENDS

CLOUD_NAMES = ("device.spark.io", "device.tcp.particle.io")
INTERNET_NAMES = ("pool.ntp.org", "api.particle.io", "example.com")

_DNS, _NTP, _HTTP, _HTTPS = 53, 123, 80, 443
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Backdrop:
    """Starts it; all of it ends with `ends`."""

    def __init__(self, scenario: Scenario, network: Network, ends: AsyncExitStack) -> None:
        self._scenario, self._network, self._ends = scenario, network, ends

    async def set_up(self) -> None:
        """Start everything."""
        scenario = self._scenario
        cloud = plan.cloud(scenario)
        truth = dict.fromkeys(CLOUD_NAMES, (cloud,))
        if scenario.routers:
            truth |= dict.fromkeys(INTERNET_NAMES, (plan.internet(scenario),))
        true = {4: {}, 6: {}, scenario.ip: truth}
        told = stand_ins.Names({**true[4], **scenario.names}, {**true[6], **scenario.names6})
        for address in plan.name_servers(scenario):
            await self._name_server(ROUTERS[0] if scenario.routers else CLOUD, address, told)
        await self._datagrams(CLOUD, cloud, _NTP, stand_ins.tell_time)
        await self._datagrams(CLOUD, cloud, udp.DTLS_PORT, udp.verify)
        await self._datagrams(CLOUD, cloud, udp.COAP_PORT, udp.pong)
        await self._stream(CLOUD, cloud, _HTTPS, stand_ins.silent)
        if scenario.routers:
            await self._internet(stand_ins.Names(true[4], true[6]))
        for box in scenario.boxes:
            await self._stream(box.on, plan.any_address(scenario), BOX_PORT, self._service(box))
        within = self._network.within
        for injection in scenario.injections:
            sniffer = within(
                injection.on, partial(sniffing_socket, injection.interface, scenario.ip)
            )
            forger = within(injection.on, partial(forging_socket, scenario.ip))
            injector = Injector(sniffer, forger, injection.length, injection.ttl)
            self._ends.callback(injector.close)
        if scenario.shaper:
            one, other = (
                within(SHAPER, partial(bridging_socket, interface)) for interface in SHAPER_ENDS
            )
            self._ends.callback(Bridge(one, other, scenario.shaper, scenario.name).close)

    def ask_for_time(self, host: str) -> None:
        """Let a host ask the internet for the time, as a device does."""
        self._client(host).sendto(TIME_REQUEST, (plan.internet(self._scenario), _NTP))

    async def connect_by_dtls(self, host: str) -> None:
        """Let a host begin a DTLS handshake with the cloud, as a newer device does."""
        await udp.connect(self._client(host), plan.cloud(self._scenario))

    def _client(self, host: str) -> socket.socket:
        own = plan.any_address(self._scenario)
        client = self._network.within(host, partial(stand_ins.datagram_socket, own, 0))
        self._ends.callback(client.close)
        return client

    async def _internet(self, names: stand_ins.Names) -> None:
        """Start what a computer needs to tell that it is online, and outside name servers."""
        address = plan.internet(self._scenario)
        for resolver in plan.public_resolvers(self._scenario):
            await self._name_server(INTERNET, resolver, names)
        await self._datagrams(INTERNET, address, _NTP, stand_ins.tell_time)
        await self._stream(INTERNET, address, _HTTP, stand_ins.answers(_NO_CONTENT))
        await self._stream(INTERNET, address, _HTTPS, stand_ins.silent)

    async def _name_server(self, host: str, address: str, names: stand_ins.Names) -> None:
        await self._datagrams(host, address, _DNS, names)
        await self._stream(host, address, _DNS, stand_ins.names_over_stream(names))

    async def _datagrams(
        self, host: str, address: str, port: int, replies: stand_ins.Replies
    ) -> None:
        bound = self._network.within(host, partial(stand_ins.datagram_socket, address, port))
        transport = await stand_ins.serve_datagrams(bound, replies)
        self._ends.callback(transport.close)

    async def _stream(self, host: str, address: str, port: int, serve: stand_ins.Serve) -> None:
        listening = self._network.within(host, partial(stand_ins.stream_socket, address, port))
        server = await stand_ins.serve_stream(listening, serve)
        self._ends.callback(server.close)

    def _service(self, box: Box) -> stand_ins.Serve:
        text = box.text.encode()
        if box.does != "relays_nonce":
            return stand_ins.service(box.does, text)

        async def connect() -> socket.socket:
            cloud = (plan.cloud(self._scenario), plan.PORT)
            family = stand_ins.family_of(cloud[0])
            upstream = self._network.within(box.on, partial(socket.socket, family))
            upstream.setblocking(False)
            await asyncio.get_running_loop().sock_connect(upstream, cloud)
            return upstream

        return stand_ins.relays_nonce(connect, text)
