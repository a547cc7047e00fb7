"""Every code of the catalogue, every cause and every mechanism: reached, nearly, and too thinly.

The stories are played on the in-memory path, written to a capture, and judged from its bytes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coverage_cases import Case, analyzed, differences, prefixes
from coverage_key_files import KEY_FILES, KeyTold, checked, codes_in, files_between
from coverage_parts import Told
from coverage_peers import LEAVING
from coverage_probe import JOINT, PROBES, JointTold, ProbeTold
from coverage_replay import REPLAYS
from coverage_stories import STORIES, WORDS
from coverage_symptoms import SYMPTOMS, Given, SymptomTold, facts_between, judged
from handshake_probe.diagnose.catalogue import CATALOGUE
from handshake_probe.diagnose.joint import judge_jointly
from handshake_probe.model.vocabulary import Cause, Mechanism

NO_ACCUSATION = (Cause.HEALTHY, Cause.INCONCLUSIVE)
TOO_LONG = ("HP610",)  # a flood: thousands of frames, all alike

ASKED = PROBES | REPLAYS
ALL = {**STORIES, **{str(word): told for word, told in WORDS.items()}}
every_code = pytest.mark.parametrize(("code", "told"), STORIES.items(), ids=STORIES)
every_word = pytest.mark.parametrize(("word", "told"), WORDS.items(), ids=map(str, WORDS))
every_story = pytest.mark.parametrize("told", ALL.values(), ids=ALL)


def codes(told: Case, scratch: Path) -> set[str]:
    return {finding.code for finding in analyzed(told, scratch).findings}


def test_every_code_has_its_stories() -> None:
    assert {*STORIES, *ASKED, *JOINT, *SYMPTOMS, *KEY_FILES} == set(CATALOGUE)


def test_every_cause_and_every_mechanism_has_a_story() -> None:
    stories: list[Told | ProbeTold | JointTold | SymptomTold] = [*ALL.values()]
    stories += [*ASKED.values(), *JOINT.values(), *SYMPTOMS.values()]
    assert {told.cause for told in stories} == set(Cause)
    assert {told.mechanism for told in stories} == {None, *Mechanism}


@every_story
def test_the_verdict_is_what_the_story_says(told: Told, tmp_path: Path) -> None:
    verdict = analyzed(told.reached, tmp_path).verdict
    assert (verdict.cause, verdict.mechanism) == (told.cause, told.mechanism), verdict.summary


@every_code
def test_the_code_is_reached(code: str, told: Told, tmp_path: Path) -> None:
    assert code in codes(told.reached, tmp_path)


@every_code
def test_a_near_miss_does_not_fire_the_code(code: str, told: Told, tmp_path: Path) -> None:
    assert code not in codes(told.near, tmp_path)


@every_word
def test_a_near_miss_does_not_say_the_word(word: Mechanism, told: Told, tmp_path: Path) -> None:
    assert analyzed(told.near, tmp_path).verdict.mechanism is not word


@every_story
def test_a_near_miss_differs_in_one_fact(told: Told) -> None:
    assert differences(told.reached, told.near) == 1


@every_code
def test_too_little_data_does_not_fire_the_code(code: str, told: Told, tmp_path: Path) -> None:
    assert code not in codes(told.thin, tmp_path)


@every_story
def test_too_little_data_accuses_nobody(told: Told, tmp_path: Path) -> None:
    verdict = analyzed(told.thin, tmp_path).verdict
    assert verdict.cause in NO_ACCUSATION, verdict.summary


@pytest.mark.parametrize("name", [name for name in ALL if name not in TOO_LONG])
def test_a_capture_that_ends_anywhere_accuses_nobody_else(name: str, tmp_path: Path) -> None:
    """Whatever part of a story a capture holds, it shows the story's own cause or none."""
    told = ALL[name]
    wrong = [
        (count, str(verdict.cause), str(verdict.mechanism))
        for count, verdict in prefixes(told.reached, tmp_path)
        if verdict.cause not in (*NO_ACCUSATION, told.cause)
    ]
    assert wrong == []


@pytest.mark.parametrize("told", LEAVING.values(), ids=LEAVING)
def test_a_device_that_leaves_while_an_answer_is_outstanding_is_well(
    told: Case, tmp_path: Path
) -> None:
    assert analyzed(told, tmp_path).verdict.cause is Cause.HEALTHY


# The codes of a probe and of a replay, alone and beside a capture.


@pytest.mark.parametrize(("code", "told"), ASKED.items(), ids=ASKED)
def test_a_probes_code_is_reached_and_not_by_neighbours(code: str, told: ProbeTold) -> None:
    verdict = told.reached.verdict
    assert (verdict.cause, verdict.mechanism) == (told.cause, told.mechanism), verdict.summary
    assert code in verdict.findings
    assert code not in told.near.verdict.findings
    assert code not in told.thin.verdict.findings
    assert told.thin.verdict.cause in NO_ACCUSATION


@pytest.mark.parametrize(("code", "told"), JOINT.items(), ids=JOINT)
def test_a_probe_beside_a_capture(code: str, told: JointTold, tmp_path: Path) -> None:
    capture = analyzed(told.capture, tmp_path)
    changed, added = judge_jointly(capture, told.reached)
    verdict = changed.devices[0].verdict
    assert [finding.code for finding in added] == [code]
    assert (verdict.cause, verdict.mechanism) == (told.cause, told.mechanism)
    assert code not in {finding.code for finding in judge_jointly(capture, told.near)[1]}
    same, nothing = judge_jointly(capture, told.thin)
    assert nothing == []
    assert same.devices == capture.devices


# The codes of what the device shows itself.

every_symptom = pytest.mark.parametrize(("code", "told"), SYMPTOMS.items(), ids=SYMPTOMS)


def codes_together(given: Given, scratch: Path) -> set[str]:
    return {finding.code for document in judged(given, scratch) for finding in document.findings}


@every_symptom
def test_a_symptoms_code_is_reached(code: str, told: SymptomTold, tmp_path: Path) -> None:
    verdict = judged(told.reached, tmp_path)[0].verdict
    assert (verdict.cause, verdict.mechanism) == (told.cause, told.mechanism), verdict.summary
    assert code in codes_together(told.reached, tmp_path)


@every_symptom
def test_a_symptoms_code_is_not_reached_by_neighbours(
    code: str, told: SymptomTold, tmp_path: Path
) -> None:
    assert facts_between(told.reached, told.near) == 1
    assert code not in codes_together(told.near, tmp_path)


@every_symptom
def test_too_little_of_a_symptom_accuses_nobody(
    code: str, told: SymptomTold, tmp_path: Path
) -> None:
    assert code not in codes_together(told.thin, tmp_path)
    for document in judged(told.thin, tmp_path):
        assert document.verdict.cause in NO_ACCUSATION, document.verdict.summary


@every_symptom
def test_a_log_that_ends_anywhere_accuses_nobody_else(
    code: str, told: SymptomTold, tmp_path: Path
) -> None:
    for count in range(1, len(told.reached.log)):
        given = replace(told.reached, log=told.reached.log[:count])
        assert judged(given, tmp_path)[0].verdict.cause in (*NO_ACCUSATION, told.cause)


# The codes of key files.

every_key_story = pytest.mark.parametrize(("code", "told"), KEY_FILES.items(), ids=KEY_FILES)


@every_key_story
def test_a_key_files_code_is_reached(code: str, told: KeyTold, tmp_path: Path) -> None:
    assert code in codes_in(checked(told.reached, tmp_path))


@every_key_story
def test_sound_key_files_beside_it_have_no_defect(code: str, told: KeyTold, tmp_path: Path) -> None:
    document = checked(told.near, tmp_path)
    assert files_between(told.reached, told.near) == 1
    assert code not in codes_in(document)
    assert document.verdict == "usable"


@every_key_story
def test_too_little_of_a_key_does_not_fire_the_code(
    code: str, told: KeyTold, tmp_path: Path
) -> None:
    assert code not in codes_in(checked(told.thin, tmp_path))
