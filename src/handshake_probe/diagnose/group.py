"""Connections or look-ups of one device, and what rules ask about all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Group(tuple[Item, ...]):
    """Every member's rules look at the others too: what they find there is found once.

    Else a device with thousands of connections would cost their number squared.
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        del items  # `tuple` has taken them
        self._answers: dict[Callable[..., Any], Any] = {}

    def once(self, question: Callable[[Group[Item]], Answer]) -> Answer:
        """The answer to a question about the whole group, which depends on nothing else."""
        if question not in self._answers:
            self._answers[question] = question(self)
        answer: Answer = self._answers[question]
        return answer
