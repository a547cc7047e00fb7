"""The DNS matrix, against resolvers on the loopback and in networks of namespaces."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_probe.errors import UnreadableInput
from handshake_probe.lab import network
from handshake_probe.lab.network import Network
from handshake_probe.lab.stand_ins import Names
from handshake_probe.model.probed import DnsProbed, IcmpAnswer, Lookup
from handshake_probe.probe import lookups, resolvers, system_names
from handshake_probe.probe.lookups import Question, Resolver
from handshake_probe.probe.resolvers import Patience
from udp_room import (
    HERE,
    OUTSIDE,
    ROUTER,
    both_sockets,
    forwarding,
    home,
    ids,
    serving,
    silent,
    within_time,
)

CLOUD, CONTROL, RANDOM = "cloud.test", "control.test", "5f3a.control.test"
QUICK = Patience(tries=2, seconds=0.3, second_answer=0.2)
UNHURRIED = Patience(tries=2, seconds=3.0, second_answer=1.5)  # where more answers must be heard
QUESTION = Question(CLOUD, "cloud")

LACK = network.missing()
needs_network = pytest.mark.skipif(LACK is not None, reason=f"no network: {LACK}")


def reply(
    query: bytes,
    *addresses: str,
    rcode: str = "NOERROR",
    aliases: Sequence[str] = (),
    truncated: bool = False,
) -> bytes:
    """What a resolver answers, written by dnspython."""
    message = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    message.set_rcode(dns.rcode.from_text(rcode))
    name = message.question[0].name
    for target in aliases:
        message.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
        name = dns.name.from_text(target)
    kind = "AAAA" if addresses and ":" in addresses[0] else "A"
    if addresses:
        message.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *addresses))
    if truncated:
        message.flags |= dns.flags.TC
    wire: bytes = message.to_wire()
    return wire


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def ask(
    udp: Callable[[bytes], Sequence[bytes]] | None = silent,
    tcp: Callable[[bytes], bytes] | None = None,
    question: Question = QUESTION,
    patience: Patience = QUICK,
    address: str = HERE,
) -> tuple[DnsProbed, DnsProbed]:
    """One question to a resolver of the loopback: what came by UDP, and by TCP."""

    async def run() -> list[DnsProbed]:
        async with serving(udp, tcp, address=address) as at:
            whom = Resolver(at.address, "configured", at.port)
            return await resolvers.ask_resolvers([whom], [question], ids(), patience=patience)

    by_udp, by_tcp = within_time(run())
    assert (by_udp.transport, by_tcp.transport) == ("udp", "tcp")
    return by_udp, by_tcp


def test_an_answer_with_aliases_by_both_transports() -> None:
    def answer(query: bytes) -> bytes:
        return reply(query, "192.0.2.7", "192.0.2.8", aliases=("a.test.", "b.test."))

    for row in ask(lambda query: [answer(query)], lambda query: framed(answer(query))):
        assert row.outcome is Lookup.ANSWERED
        assert row.rcode == "NOERROR"
        assert sorted(row.addresses) == ["192.0.2.7", "192.0.2.8"]
        assert row.aliases == ["a.test", "b.test"]
        assert (row.resolver, row.role, row.name, row.purpose) == (
            HERE,
            "configured",
            CLOUD,
            "cloud",
        )
        assert (row.attempts, row.second_answer, row.icmp, row.truncated) == (1, None, None, False)
        assert 0 < row.seconds < 0.3


@pytest.mark.parametrize(
    ("word", "outcome", "rcode"),
    [
        ("nxdomain", Lookup.NXDOMAIN, "NXDOMAIN"),
        ("nodata", Lookup.EMPTY, "NOERROR"),
        ("servfail", Lookup.REFUSED, "SERVFAIL"),
        ("refused", Lookup.REFUSED, "REFUSED"),
        ("0.0.0.0", Lookup.ANSWERED, "NOERROR"),
        ("10.1.2.3", Lookup.ANSWERED, "NOERROR"),
    ],
)
def test_what_the_lab_resolver_says(word: str, outcome: Lookup, rcode: str) -> None:
    names = Names({CLOUD: [word]})
    by_udp, by_tcp = ask(names, lambda query: framed(names(query)[0]))
    for row in (by_udp, by_tcp):
        assert (row.outcome, row.rcode) == (outcome, rcode)
        assert row.addresses == ([word] if outcome is Lookup.ANSWERED else [])


def test_an_error_code_outweighs_addresses_beside_it() -> None:
    by_udp, _ = ask(lambda query: [reply(query, "192.0.2.7", rcode="NXDOMAIN")])
    assert (by_udp.outcome, by_udp.addresses) == (Lookup.NXDOMAIN, ["192.0.2.7"])


def test_only_addresses_of_the_type_asked_for_count() -> None:
    by_udp, _ = ask(
        lambda query: [reply(query, "192.0.2.7")], question=Question(CLOUD, "cloud", "AAAA")
    )
    assert (by_udp.outcome, by_udp.addresses, by_udp.type) == (Lookup.EMPTY, [], "AAAA")


def test_over_ipv6() -> None:
    by_udp, _ = ask(
        lambda query: [reply(query, "2001:db8::1")],
        question=Question(CLOUD, "cloud", "AAAA"),
        address="::1",
    )
    assert (by_udp.outcome, by_udp.addresses) == (Lookup.ANSWERED, ["2001:db8::1"])
    assert by_udp.resolver == "::1"


def test_silence_is_asked_again_and_then_a_timeout() -> None:
    asked: list[bytes] = []

    def listen(query: bytes) -> list[bytes]:
        asked.append(query)
        return []

    by_udp, by_tcp = ask(listen, lambda query: b"")
    assert (by_udp.outcome, by_udp.attempts, by_udp.icmp) == (Lookup.TIMEOUT, 2, None)
    assert 0.6 <= by_udp.seconds < 2
    assert by_tcp.outcome is Lookup.MALFORMED  # it closed without a word
    assert len({query[:2] for query in asked}) == 2  # each with an id of its own


def test_the_second_try_is_answered() -> None:
    names = Names({CLOUD: ["", "192.0.2.7"]})
    by_udp, _ = ask(names)
    assert (by_udp.outcome, by_udp.attempts) == (Lookup.ANSWERED, 2)
    assert by_udp.seconds >= 0.3  # since the first one was sent: no look of a near resolver


def test_a_closed_port() -> None:
    by_udp, by_tcp = ask(None, None)
    assert (by_udp.outcome, by_tcp.outcome) == (Lookup.UNREACHABLE, Lookup.UNREACHABLE)
    assert by_udp.attempts == 1
    if sys.platform == "linux":
        assert by_udp.icmp == IcmpAnswer(source=HERE, version=4, type=3, code=3)


def test_two_answers_to_one_question() -> None:
    by_udp, _ = ask(
        lambda query: [reply(query, "10.0.0.1"), reply(query, "192.0.2.7")], patience=UNHURRIED
    )
    assert (by_udp.addresses, by_udp.second_answer) == (["10.0.0.1"], ["192.0.2.7"])


def test_a_second_answer_without_address() -> None:
    by_udp, _ = ask(
        lambda query: [reply(query, "10.0.0.1"), reply(query, rcode="NXDOMAIN")],
        patience=UNHURRIED,
    )
    assert by_udp.second_answer == []


def test_the_same_answer_twice_is_one() -> None:
    by_udp, _ = ask(
        lambda query: [
            reply(query, "192.0.2.7", "192.0.2.8"),
            reply(query, "192.0.2.8", "192.0.2.7"),
        ]
    )
    assert by_udp.second_answer is None


def test_an_answer_to_the_first_try_that_comes_after_the_second_is_no_second_answer() -> None:
    """A pool may give other addresses each time it is asked: only one question has one answer."""
    asked: list[bytes] = []

    def late(query: bytes) -> list[bytes]:
        asked.append(query)
        if len(asked) == 1:
            return []
        return [reply(query, "192.0.2.8"), reply(asked[0], "192.0.2.7")]

    by_udp, _ = ask(late)
    assert (by_udp.addresses, by_udp.second_answer) == (["192.0.2.8"], None)


def test_a_truncated_answer_is_asked_for_by_tcp() -> None:
    def cut(query: bytes) -> list[bytes]:
        return [reply(query, truncated=True)]

    by_udp, by_tcp = ask(cut, lambda query: framed(reply(query, "192.0.2.7")))
    assert (by_udp.outcome, by_udp.addresses) == (Lookup.ANSWERED, ["192.0.2.7"])
    assert (by_udp.truncated, by_udp.attempts) == (True, 2)
    assert by_tcp.truncated is False
    by_udp, _ = ask(cut, None)
    assert (by_udp.outcome, by_udp.truncated) == (Lookup.UNREACHABLE, True)


def of_another(query: bytes) -> bytes:
    return reply(
        dns.message.make_query("other.test", "A", id=int.from_bytes(query[:2], "big")).to_wire(),
        "10.0.0.1",
    )


@pytest.mark.parametrize(
    "garbage",
    [
        lambda query: b"HTTP/1.1 302 Found\r\n\r\n",
        lambda query: query,  # an echo
        lambda query: bytes((query[0] ^ 1,)) + reply(query, "10.0.0.1")[1:],  # another id
        lambda query: reply(query, "10.0.0.1")[:-3],
        of_another,
    ],
    ids=["http", "echo", "other id", "cut off", "other name"],
)
def test_what_answers_no_such_question(garbage: Callable[[bytes], bytes]) -> None:
    by_udp, by_tcp = ask(lambda query: [garbage(query)], lambda query: framed(garbage(query)))
    assert (by_udp.outcome, by_tcp.outcome) == (Lookup.MALFORMED, Lookup.MALFORMED)
    assert by_udp.addresses == by_tcp.addresses == []


def test_garbage_before_the_answer_is_passed_over() -> None:
    by_udp, _ = ask(lambda query: [b"garbage", reply(query, "192.0.2.7")])
    assert by_udp.addresses == ["192.0.2.7"]


def test_an_error_answer_need_not_repeat_the_question() -> None:
    def terse(query: bytes) -> bytes:
        return query[:2] + bytes.fromhex("8185 0000 0000 0000 0000")

    by_udp, by_tcp = ask(lambda query: [terse(query)], lambda query: framed(terse(query)))
    assert (by_udp.rcode, by_tcp.rcode) == ("REFUSED", "REFUSED")


def test_tcp_that_stays_silent() -> None:
    async def run() -> list[DnsProbed]:
        with socket.create_server((HERE, 0)) as deaf:  # the kernel accepts, nobody reads
            whom = Resolver(HERE, "public", deaf.getsockname()[1])
            return await resolvers.ask_resolvers([whom], [QUESTION], ids(), patience=QUICK)

    _, by_tcp = within_time(run())
    assert by_tcp.outcome is Lookup.TIMEOUT


def test_the_whole_matrix_in_order_and_bounded() -> None:
    """A wildcard resolver beside an honest one: the random name tells them apart."""

    async def run() -> list[DnsProbed]:

        def wildcard(query: bytes) -> list[bytes]:
            return [reply(query, "10.9.9.9")] if query[-3] == 1 else [reply(query)]

        honest = Names({CLOUD: ["192.0.2.7"], CONTROL: ["192.0.2.80"]})
        async with (
            serving(wildcard, address="127.0.0.2") as liar,
            serving(honest, address="127.0.0.3") as teller,
        ):
            whom = [
                Resolver(liar.address, "configured", liar.port),
                Resolver(teller.address, "public", teller.port),
            ]
            asked = lookups.questions([CLOUD], CONTROL, RANDOM, nat64=True)
            return await resolvers.ask_resolvers(
                whom, asked, ids(), patience=QUICK._replace(at_once=2)
            )

    rows = within_time(run())
    assert {row.id for row in rows} == {f"o{number}" for number in range(1, 21)}
    assert [row.transport for row in rows] == ["udp", "tcp"] * 10
    assert [row.resolver for row in rows] == ["127.0.0.2"] * 10 + ["127.0.0.3"] * 10
    table = {(row.resolver, row.purpose, row.type): row for row in rows if row.transport == "udp"}
    assert table["127.0.0.2", "random", "A"].addresses == ["10.9.9.9"]
    assert table["127.0.0.3", "random", "A"].outcome is Lookup.NXDOMAIN
    assert table["127.0.0.3", "control", "A"].addresses == ["192.0.2.80"]
    assert table["127.0.0.3", "cloud", "AAAA"].outcome is Lookup.EMPTY
    assert table["127.0.0.3", "nat64", "AAAA"].name == "ipv4only.arpa"
    assert {row.role for row in rows if row.resolver == "127.0.0.3"} == {"public"}


def test_no_more_at_once_than_allowed() -> None:
    waiting, most = set[bytes](), 0

    def count(query: bytes) -> list[bytes]:
        nonlocal most
        waiting.add(query[:2])
        most = max(most, len(waiting))
        asyncio.get_running_loop().call_later(0.05, waiting.discard, query[:2])
        return [b"", reply(query, "192.0.2.7")]  # the second comes after 0.05 s

    async def run() -> list[DnsProbed]:
        async with serving(count) as at:
            names = [Question(f"{number}.test", "control") for number in range(9)]
            whom = Resolver(at.address, "configured", at.port)
            patience = Patience(2, 1.0, 0.0, at_once=3)
            return await resolvers.ask_resolvers([whom], names, ids(), patience=patience)

    rows = within_time(run())
    assert all(row.outcome is Lookup.ANSWERED for row in rows if row.transport == "udp")
    assert most <= 3


QUERY = dns.message.make_query(CLOUD, "A", id=0x1234).to_wire()
ANSWERS = [
    reply(QUERY, "192.0.2.7", aliases=("a.test.",)),
    reply(QUERY, "2001:db8::1"),
    reply(QUERY, rcode="NXDOMAIN"),
    reply(QUERY, truncated=True),
]


@given(
    answer=st.sampled_from(ANSWERS),
    changes=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=4),
    length=st.integers(0, 120),
    transport=st.sampled_from(["udp", "tcp"]),
)
def test_whatever_comes_is_an_outcome(
    answer: bytes, changes: list[tuple[int, int]], length: int, transport: str
) -> None:
    """Damage never raises."""
    damaged = bytearray(answer)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    data = bytes(damaged[:length])
    message = resolvers._answer(data, QUESTION, {0x1234})
    if message is None:
        return
    row = resolvers._answered(transport, message, QUESTION, 0.0)
    observation = row.observation(ids(), None, QUESTION)
    assert observation.outcome is not Lookup.ANSWERED or observation.addresses


def test_an_answer_that_was_cut_anywhere_is_none() -> None:
    """Least of all "no such address"."""
    for answer in ANSWERS[:3]:
        assert resolvers._answer(answer, QUESTION, {0x1234}) is not None
        for length in range(len(answer)):
            assert resolvers._answer(answer[:length], QUESTION, {0x1234}) is None


def test_what_was_heard_survives_a_cancel() -> None:
    """One name is answered, the other one never."""
    heard: list[DnsProbed] = []

    async def run() -> None:
        async with serving(Names({CLOUD: ["192.0.2.7"], CONTROL: [""]})) as at:
            whom = Resolver(at.address, "configured", at.port)
            asked = [QUESTION, Question(CONTROL, "control")]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.6):
                    await resolvers.ask_resolvers([whom], asked, ids(), tell=heard.append)

    within_time(run())
    told = {(row.name, row.transport): row.outcome for row in heard}
    assert told[CLOUD, "udp"] is Lookup.ANSWERED
    assert (CONTROL, "udp") not in told


def test_names_that_cannot_be_asked() -> None:
    with pytest.raises(UnreadableInput, match=r"a\.\.b: no host name"):
        ask(question=Question("a..b", "cloud"))
    with pytest.raises(UnreadableInput, match=r"a\.\.b: no host name"):
        within_time(system_names.ask_system([Question("a..b", "cloud")], ids()))


def test_random_names_differ() -> None:
    one, other = (lookups.random_name(CONTROL) for _ in range(2))
    assert one != other
    assert one.endswith(f".{CONTROL}")


@pytest.mark.parametrize(
    ("text", "behind", "addresses", "stub"),
    [
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", "", ("192.0.2.1", "2001:db8::1"), None),
        ("nameserver 127.0.0.53\n", "nameserver 192.0.2.1\n", ("192.0.2.1",), "127.0.0.53"),
        ("nameserver 127.0.0.53\n", None, ("127.0.0.53",), "127.0.0.53"),
        ("nameserver 127.0.0.1\n", "nameserver 192.0.2.1\n", ("127.0.0.1",), None),
        (None, None, (), None),
        ("nameserver none\n", None, (), None),
        ("search test\n", None, (), None),
    ],
)
def test_configured_resolvers(
    tmp_path: Path,
    text: str | None,
    behind: str | None,
    addresses: tuple[str, ...],
    stub: str | None,
) -> None:
    paths = tmp_path / "resolv.conf", tmp_path / "behind.conf"
    for path, content in zip(paths, (text, behind), strict=True):
        if content is not None:
            path.write_text(content)
    assert system_names.system_resolvers(*paths) == (addresses, stub)


def test_the_control_of_other_udp_tests() -> None:
    async def run() -> list[str | None]:
        async with serving(Names({CONTROL: ["192.0.2.80"]})) as at:
            rows = [await resolvers.ask_dns(at, name, ids()) for name in (CONTROL, CLOUD)]
        async with serving(lambda query: [b"garbage"]) as at:
            rows.append(await resolvers.ask_dns(at, CONTROL, ids()))
        assert {(row.test, row.outcome) for row in rows} == {("dns", "answered")}
        return [row.answer for row in rows]

    assert within_time(run()) == ["NOERROR", "NXDOMAIN", "other"]


def test_the_system_looks_up_what_it_knows_itself() -> None:
    (row,) = within_time(system_names.ask_system([Question("localhost", "control")], ids()))
    assert (row.outcome, row.addresses) == (Lookup.ANSWERED, ["127.0.0.1"])
    assert (row.resolver, row.role, row.transport) == (None, "system", "system")


def across(rules: str) -> tuple[DnsProbed, DnsProbed]:
    """Ask a sound resolver outside from behind a router with these rules."""
    names = Names({CLOUD: ["192.0.2.7"]})

    async def run(sockets: tuple[socket.socket, socket.socket]) -> list[DnsProbed]:
        async with serving(names, lambda query: framed(names(query)[0]), sockets=sockets) as at:
            whom = Resolver(at.address, "public", at.port)
            return await resolvers.ask_resolvers([whom], [QUESTION], ids(), patience=QUICK)

    with home(rules) as net:
        sockets = net.within("outside", partial(both_sockets, OUTSIDE, 53))
        by_udp, by_tcp = net.within("laptop", lambda: within_time(run(sockets)))
    return by_udp, by_tcp


@needs_network
def test_through_a_router() -> None:
    for row in across(""):
        assert (row.outcome, row.addresses) == (Lookup.ANSWERED, ["192.0.2.7"])


@needs_network
def test_only_tcp_is_dropped() -> None:
    by_udp, by_tcp = across(forwarding("tcp dport 53 drop"))
    assert (by_udp.outcome, by_tcp.outcome) == (Lookup.ANSWERED, Lookup.TIMEOUT)


@needs_network
def test_the_router_forbids_other_resolvers() -> None:
    by_udp, by_tcp = across(
        forwarding("meta l4proto { tcp, udp } th dport 53 reject with icmp admin-prohibited")
    )
    assert (by_udp.outcome, by_tcp.outcome) == (Lookup.UNREACHABLE, Lookup.UNREACHABLE)
    assert by_udp.icmp == IcmpAnswer(source=ROUTER, version=4, type=3, code=13)


@needs_network
def test_the_router_answers_for_all_resolvers() -> None:
    """Two resolvers outside, of which one does not exist, know the same wrong address."""
    names = Names({CLOUD: ["10.66.0.1"], RANDOM: ["10.66.0.1"]})

    async def run(sockets: tuple[socket.socket, socket.socket]) -> list[DnsProbed]:
        async with serving(names, sockets=sockets):
            whom = [Resolver(address, "public") for address in (OUTSIDE, "192.0.2.53")]
            asked = [QUESTION, Question(RANDOM, "random")]
            return await resolvers.ask_resolvers(whom, asked, ids(), patience=QUICK)

    hijack = f"""table ip t {{ chain c {{ type nat hook prerouting priority dstnat;
        iifname lan udp dport 53 dnat to {ROUTER}; }}; }}"""
    with home(hijack) as net:
        sockets = net.within("router", partial(both_sockets, ROUTER, 53))
        rows = net.within("laptop", lambda: within_time(run(sockets)))
    by_udp = [row for row in rows if row.transport == "udp"]
    assert len(by_udp) == 4
    assert all(row.addresses == ["10.66.0.1"] for row in by_udp)


@needs_network
def test_no_route_at_all() -> None:
    whom = Resolver(OUTSIDE, "public")
    with home() as net:
        net.configure("laptop", "route del default")
        by_udp, by_tcp = net.within(
            "laptop",
            lambda: within_time(resolvers.ask_resolvers([whom], [QUESTION], ids(), patience=QUICK)),
        )
    assert (by_udp.outcome, by_udp.attempts, by_udp.icmp) == (Lookup.UNREACHABLE, 0, None)
    assert by_tcp.outcome is Lookup.UNREACHABLE


@needs_network
def test_the_system_without_a_network() -> None:
    """Whatever resolver this machine has, a laptop without cables does not reach it."""
    with Network() as net:
        net.add_host("laptop")
        (row,) = net.within(
            "laptop",
            lambda: within_time(
                system_names.ask_system([Question("name.test", "control")], ids(), seconds=1.0)
            ),
        )
    assert row.outcome in (Lookup.TIMEOUT, Lookup.NXDOMAIN, Lookup.REFUSED)
    assert row.addresses == []


@needs_network
def test_a_system_that_takes_too_long_is_not_waited_for() -> None:
    """The look-up's thread goes on after the time limit, and nobody waits for it."""
    with home(forwarding("drop")) as net:
        began = time.monotonic()
        (row,) = net.within(
            "laptop",
            lambda: within_time(
                system_names.ask_system([Question("name.test", "control")], ids(), seconds=0.2)
            ),
        )
    assert time.monotonic() - began < 5
    assert row.outcome in (Lookup.TIMEOUT, Lookup.NXDOMAIN, Lookup.REFUSED)
