"""Runs a plan: tests side by side, one connection at a time per port of an address."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
from collections.abc import Awaitable, Callable

from handshake_probe.model.observation import Observation
from handshake_probe.model.probed import Connect, DnsProbed, IdleProbed, TcpProbed
from handshake_probe.probe import coap_ping, dtls_hello, hops, idle, internet_test
from handshake_probe.probe.attempt import attempt
from handshake_probe.probe.endpoint import Endpoint
from handshake_probe.probe.identity_walk import walk_identity
from handshake_probe.probe.lookups import Question, Resolver, questions, random_name
from handshake_probe.probe.patience import PATIENCE
from handshake_probe.probe.plan import (
    CLOUD_ATTEMPTS,
    CONTROL_ATTEMPTS,
    DTLS_PORT,
    HOP_SYNS,
    IDLE_AT_ONCE,
    INTERNET_TEST,
    MAX_ADDRESSES,
    SPACING,
    UNUSED_ADDRESS,
    Plan,
)
from handshake_probe.probe.progress import Progress, Step
from handshake_probe.probe.resolvers import ask_dns, ask_resolvers
from handshake_probe.probe.stand_in import stand_in
from handshake_probe.probe.system_names import ask_system, system_resolvers
from handshake_probe.probe.tries import carries, delivered, settled
from handshake_probe.probe.vantage import look_around

_DNS_GRACE = 1.0  # seconds for resolvers that are silent where all is well
_UDP_WAITS = (1.0, 1.5, 1.5)  # seconds after each datagram
_CONTROL_PATIENCE = PATIENCE._replace(connect=4.0)
_AGAIN_PATIENCE = PATIENCE._replace(connect=7.0, nonce=5.0)


class Run:
    """One run. `seen` grows as observations come, so that an interrupted run keeps them."""

    def __init__(
        self,
        plan: Plan,
        tell: Callable[[Progress], None],
        ready: Callable[[str | None], Awaitable[None]],
    ) -> None:
        """`ready` is awaited once, with the interface, before the cloud's port is tried."""
        self.seen: list[Observation] = []
        self._plan = plan
        self._tell = tell
        self._ready = ready
        numbers = itertools.count(1)
        self._resolvers: tuple[str, ...] = ()
        self._next_id = lambda: f"o{next(numbers)}"

    async def go(self) -> None:
        """Do everything; returns when all is done."""
        plan = self._plan
        resolvers = system_resolvers()
        self._resolvers = resolvers.addresses
        asking: asyncio.Task[list[DnsProbed]] | None = None
        addresses = [plan.address] if plan.address else []
        async with asyncio.TaskGroup() as group:
            if plan.cloud_names:
                self._tell(Progress(Step.DNS, None))
                here = look_around(None, str, resolvers=resolvers)
                nat64 = here.ip_versions == [6]
                asking = group.create_task(self._ask_all(resolvers.addresses, nat64=nat64))
                addresses = await self._resolve(asking)
            self._tell(Progress(Step.VANTAGE, None))
            vantage = look_around(
                next((a for a in addresses if a == plan.address or not _loops(a)), None),
                self._next_id,
                resolvers=resolvers,
                device=plan.device,
            )
            self.seen.append(vantage)
            told = f"{vantage.address or 'not connected'} on {vantage.interface or 'no interface'}"
            self._tell(Progress(Step.VANTAGE, told))
            await self._ready(vantage.interface)
            clouds = [Endpoint(address, plan.port) for address in addresses[:MAX_ADDRESSES]]
            group.create_task(self._beside(clouds))
            carried = await self._reach(clouds)
            if carried and asking is not None:  # no need to wait for what is not heard anyway
                await asyncio.wait({asking}, timeout=_DNS_GRACE)
                asking.cancel()
            if carried:
                await self._beyond(clouds[0])

    # DNS

    async def _ask_all(self, own: tuple[str, ...], *, nat64: bool) -> list[DnsProbed]:
        plan = self._plan
        asked = [Resolver(address, "configured", plan.dns_port) for address in own]
        asked += [
            Resolver(address, "public", plan.dns_port)
            for address in plan.public_resolvers
            if address not in own
        ]
        random = random_name(plan.control_name)
        what = questions(plan.cloud_names, plan.control_name, random, nat64=nat64)
        # Each by itself: what one resolver said is kept while another's silence is waited for.
        answers = asyncio.gather(*(self._ask_one(one, what) for one in asked))
        found = [question for one in await answers for question in one]
        name = plan.cloud_names[0]
        good = {q.resolver for q in found if q.name == name and q.addresses}
        bad = {q.resolver for q in found if q.name == name} - good
        text = f"{len(good)} of {len(good | bad)} resolvers give an address"
        self._tell(Progress(Step.DNS, text if asked else "no resolver to ask"))
        return found

    async def _ask_one(self, resolver: Resolver, what: list[Question]) -> list[DnsProbed]:
        found = await ask_resolvers([resolver], what, self._next_id)
        self.seen += found
        return found

    async def _resolve(self, asking: asyncio.Task[list[DnsProbed]]) -> list[str]:
        """The addresses to try: the system's, else any resolver's."""
        plan = self._plan
        asked = questions(plan.cloud_names[:1], plan.control_name, random_name(plan.control_name))
        found = await ask_system([q for q in asked if q.purpose == "cloud"], self._next_id)
        self.seen += found
        own = _addresses(found)
        return own or _addresses([q for q in await asking if q.name == plan.cloud_names[0]])

    # TCP

    async def _reach(self, clouds: list[Endpoint]) -> bool:
        """Try every address; whether all of them carry the handshake."""
        if not clouds:
            self._tell(Progress(Step.TCP, "no address to try"))
            return False
        self._tell(Progress(Step.TCP, None))
        self._tell(Progress(Step.CONTROLS, None))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._controls(clouds))
            reached = [group.create_task(self._try_cloud(cloud)) for cloud in clouds]
        outcomes = [task.result() for task in reached]
        opened = sum(map(carries, outcomes))
        self._tell(Progress(Step.TCP, f"{opened} of {len(clouds)} addresses carry the handshake"))
        closed = [
            cloud for cloud, tried in zip(clouds, outcomes, strict=True) if not carries(tried)
        ]
        if closed:
            await self._find_where(closed[0])
        return not closed

    async def _try_cloud(self, cloud: Endpoint) -> list[TcpProbed]:
        """Two connections, and a third when they differ."""
        tried: list[TcpProbed] = []
        identity = self._plan.identity
        for number in range(CLOUD_ATTEMPTS):
            if number:
                await asyncio.sleep(SPACING)
            spoken = any(map(delivered, tried))
            found = await attempt(
                cloud,
                next_id=self._next_id,
                block=True,
                server_modulus=identity if number and not spoken else None,
                patience=_AGAIN_PATIENCE if number else PATIENCE,
            )
            tried.append(found)
            self.seen.append(found)
            if number and settled(tried, identity is not None):
                break
        return tried

    async def _controls(self, clouds: list[Endpoint]) -> None:
        """Another port of each address, other hosts."""
        ports = [Endpoint(cloud.address, self._plan.control_port) for cloud in clouds]
        targets = [(port, "other_port") for port in ports]
        targets += [(host, "other_host") for host in self._plan.other_hosts]
        found = await asyncio.gather(*(self._control(*target) for target in targets))
        answering = sum(a.outcome in (Connect.CONNECTED, Connect.REFUSED) for a in found)
        self._tell(Progress(Step.CONTROLS, f"{answering} of {len(found)} answer"))

    async def _control(self, target: Endpoint, purpose: str) -> TcpProbed:
        for _ in range(CONTROL_ATTEMPTS):
            found = await attempt(
                target,
                next_id=self._next_id,
                purpose=purpose,
                listen=False,
                patience=_CONTROL_PATIENCE,
            )
            self.seen.append(found)
            if found.outcome is not Connect.TIMEOUT:
                break
        return found

    async def _find_where(self, cloud: Endpoint) -> None:
        """Where the way of a blocked port parts from its control's, and who accepts what."""
        self._tell(Progress(Step.WHERE, None))
        control = Endpoint(cloud.address, self._plan.control_port)
        async with asyncio.TaskGroup() as group:
            if any(
                isinstance(a, TcpProbed)
                and a.purpose == "cloud"
                and a.outcome is Connect.CONNECTED
                and not (a.first is not None and a.first.is_nonce)
                for a in self.seen
            ):
                group.create_task(self._unused(cloud))
            if self._plan.identity is not None and any(
                isinstance(a, TcpProbed) and a.sent == "identity" and not delivered(a)
                for a in self.seen
            ):
                group.create_task(
                    walk_identity(
                        cloud, self._plan.identity, next_id=self._next_id, tell=self.seen.append
                    )
                )
            group.create_task(
                hops.walk(
                    cloud, control, next_id=self._next_id, tell=self.seen.append, syns=HOP_SYNS
                )
            )
        self._tell(Progress(Step.WHERE, "done"))

    async def _unused(self, cloud: Endpoint) -> None:
        if cloud.version != 4:
            return
        self.seen.append(
            await attempt(
                Endpoint(UNUSED_ADDRESS, cloud.port),
                next_id=self._next_id,
                purpose="unused_address",
                listen=False,
                patience=_CONTROL_PATIENCE,
            )
        )

    # beside and beyond

    async def _beside(self, clouds: list[Endpoint]) -> None:
        """What decides nothing about the device, but is asked for."""
        plan = self._plan
        if plan.udp and clouds:
            self._tell(Progress(Step.UDP, None))
            cloud = clouds[0]
            tests = [
                coap_ping.ping(cloud, self._next_id, waits=_UDP_WAITS),
                dtls_hello.greet(
                    Endpoint(cloud.address, DTLS_PORT), self._next_id, waits=_UDP_WAITS
                ),
                *(
                    ask_dns(Endpoint(address, plan.dns_port), plan.control_name, self._next_id)
                    for address in self._resolvers[: bool(plan.cloud_names)]
                ),
            ]
            found = await asyncio.gather(*tests)
            self.seen += found
            words = [f"{u.target} {u.outcome}" for u in found[:2]]
            self._tell(Progress(Step.UDP, ", ".join(words)))
        if plan.internet_test:
            self._tell(Progress(Step.INTERNET, None))
            tcp, ntp = INTERNET_TEST
            self.seen += await internet_test.measure(tcp, ntp, self._next_id)
            self._tell(Progress(Step.INTERNET, "done"))

    async def _beyond(self, cloud: Endpoint) -> None:
        """Only where the network carries the handshake."""
        plan = self._plan
        if plan.stand_in is not None:
            self._tell(Progress(Step.STAND_IN, None))
            await asyncio.sleep(SPACING)
            found = await stand_in(cloud, plan.stand_in, next_id=self._next_id)
            self.seen.append(found)
            self._tell(Progress(Step.STAND_IN, f"reached {found.stage.replace('_', ' ')}"))
        if plan.idle is not None:
            self._tell(Progress(Step.IDLE, None))
            await self._idle(cloud, plan.idle)
            self._tell(Progress(Step.IDLE, "done"))

    async def _idle(self, cloud: Endpoint, longest: float) -> None:
        settings = self._plan.stand_in

        def step(silence: float) -> Awaitable[IdleProbed]:
            if settings is None:
                return idle.bare_step(cloud, silence, next_id=self._next_id)
            return idle.session_step(cloud, settings, silence, next_id=self._next_id)

        await idle.search(
            step,
            tell=self.seen.append,
            longest=longest,
            side_by_side=IDLE_AT_ONCE if settings is None else 1,  # a device has one session
        )


def _loops(address: str) -> bool:
    """A sinkhole's answer that leads to this machine itself says nothing about its way out."""
    return ipaddress.ip_address(address).is_loopback


def _addresses(found: list[DnsProbed]) -> list[str]:
    """IPv4 first: the firmware knows nothing else."""
    ordered = sorted(found, key=lambda q: q.type != "A")
    return list(dict.fromkeys(address for q in ordered for address in q.addresses))
