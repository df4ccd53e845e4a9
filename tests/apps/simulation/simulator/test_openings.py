"""Yes, no, or neither: what a closed question about the case is answered with before the sentence that tells it."""

from __future__ import annotations

import pytest

from apps.simulation.simulator.openings import contradicts
from apps.training.demo.cases import BELLY
from tests.apps.simulation.simulator.talking import Talk

STORY = (
    "Maria has a dull pain in the belly since this morning. It is there all the time. It does not go into the back, "
    "the shoulder or the groin. She feels sick and vomited once, only food and no blood. She has no appetite. She "
    "could not sleep because of the pain. Her bowels were normal yesterday. She lives with her boyfriend. She had a "
    "headache last week. She takes the pill every day and no other medicines. Her mother had gallstones."
)
ASKED = {
    "Is the pain dull?": "Yes, ",
    "Is the pain sharp?": "No. ",
    "Does it ever go away?": "No. ",
    "Any pain in the shoulder?": "No, ",
    "Was there blood in the vomit?": "No, ",
    "Have you lost your appetite?": "Yes, ",
    "Does it keep you awake at night?": "Yes, ",
    "Any change in your bowels?": "No, ",
    "Are your bowels normal?": "Yes, ",
    "Do you live alone?": "No. ",
    "Do you have a headache now?": ("Not now. ", "Not any more. "),
    "Do you take any other medicines?": ("Nothing else. ", "No, nothing else. ", "Only that: "),
    "Did your father ever have bowel trouble?": ("Not that I know of. ", "Not that I have noticed. "),
    "How long have you been on the pill?": ("I take", "Well, ", "Hm, ", "Let me think. "),
}


@pytest.mark.django_db
@pytest.mark.parametrize("question", ASKED)
def test_yes_and_no_follow_what_is_asked_for(question: str) -> None:
    expected = ASKED[question]
    answer = Talk(BELLY, scenario=STORY, chief_complaint="belly pain", instructions="", modifiers=[]).ask(question)
    assert answer.startswith(expected), answer


def test_opposites_contradict_each_other() -> None:
    assert contradicts("is it on the left", "it is on the right")
    assert not contradicts("is it on the left or the right", "it is on the right")
    assert not contradicts("is it on the right", "it is on the right")
