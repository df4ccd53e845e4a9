"""The simulated patient in a conversation: follow-ups, mood, what happens in the room, facts that become known."""

from __future__ import annotations

from typing import Any

import pytest

from apps.training.demo.cases import BELLY, CASES, CHEST, RASH
from tests.apps.simulation.simulator.talking import Talk

pytestmark = pytest.mark.django_db


def test_questions_that_follow_another_one_are_about_it() -> None:
    talk = Talk(CHEST)
    assert "a pack a day" in talk.ask("Do you smoke?")
    assert "since I was 20 years old" in talk.ask("Since when?").replace("Since", "since")
    assert "tablet" in talk.ask("Do you take any medicines?")
    assert "do not know their names" in talk.ask("Which ones?")
    assert "died of heart disease" in talk.ask("Any illnesses in the family?")
    assert "60" in talk.ask("How old was he?")
    belly = Talk(BELLY)
    assert "vomited once" in belly.ask("Have you been sick?")
    assert "no blood" in belly.ask("Was there any blood in it?")
    assert "38.1" in belly.ask("Fever?")
    assert "since this morning" in belly.ask("since when?").lower()


def test_when_is_about_the_complaint_where_nothing_else_began() -> None:
    talk = Talk(BELLY)
    talk.ask("Do you have any allergies?")
    assert "yesterday evening" in talk.ask("When did it begin?").lower()


def test_two_questions_get_two_answers() -> None:
    answer = Talk(RASH).ask("Do you smoke, and do you have any allergies?")
    assert "do not smoke" in answer
    assert "nuts" in answer


def test_a_question_asked_twice_is_noticed() -> None:
    talk = Talk(BELLY)
    first = talk.ask("Where does it hurt?")
    again = talk.ask("Where does it hurt?")
    assert "lower right side" in first
    assert "lower right side" in again
    assert any(words in again for words in ("I told you already", "You asked me that before", "Again?"))


def test_negative_and_closed_questions_get_the_right_yes_or_no() -> None:
    talk = Talk(BELLY)
    assert talk.ask("You don't smoke, do you?").startswith("I do not smoke.")
    assert talk.ask("Is the pain on the left?").startswith("No. ")
    assert talk.ask("Do you have any allergies?").startswith("No, ")
    assert talk.ask("Any trouble passing water?").startswith("No, ")
    assert talk.ask("Have you vomited?").startswith("Yes, ")


def test_a_summary_is_confirmed_or_corrected() -> None:
    talk = Talk(BELLY)
    right = "So it began at the navel and moved to the lower right side, is that right?"
    assert any(word in talk.ask(right) for word in ("that is right", "exactly"))
    assert talk.ask("And now it is on the left side, correct?").startswith("No, not quite.")


def test_mood_and_modifiers_are_heard() -> None:
    walter = Talk(CHEST)
    said = " ".join(
        walter.ask(question) for question in ("How are you?", "What happened?", "Any allergies?", "Do you drink?")
    )
    assert "cigarette" in said or "smoke" in said
    assert any(words in said for words in ("home", "nothing", "pass", "not that bad", "fuss", "breath", "cigarette"))
    assert "..." in said, "he is short of breath"
    assert "operat" in Talk(BELLY).ask("We may have to operate.").lower()
    assert "exam" in Talk(RASH).ask("You have to take antibiotics.").lower()


NEUTRAL = (
    *("When did it begin?", "Do you have any allergies?", "Do you take any medicines?", "What do you do for work?"),
    *("Any illnesses in the family?", "Have you lost weight?", "Do you drink alcohol?", "Have you had a fever?"),
    *("Who do you live with?", "Have you travelled lately?", "Do you have children?", "How is your appetite?"),
)
"""None of them calls for a remark."""
MOODS: dict[str, tuple[tuple[str, ...], ...]] = {
    "demo-belly-pain": (("operat",), ("hold my belly", "when I move")),
    "demo-chest-pressure": (
        ("probably nothing", "will pass", "make a fuss", "not that bad"),
        ("go home", "be at home"),
        ("breath", "..."),
        ("cigarette", "smoke somewhere"),
    ),
    "demo-rash": (("exam",), ("take the time", "for hours", "all day")),
}
"""Of each case: how each of its directions sounds."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["key"]))
def test_every_mood_of_a_case_is_heard_again_and_again(case: dict[str, Any]) -> None:
    """Without being asked for, in both halves of a conversation, and not in every answer."""
    talk = Talk(case)
    answers = [talk.ask(question) for question in NEUTRAL]
    sounds = MOODS[case["key"]]
    missing = [words for words in sounds if not any(word in answer for word in words for answer in answers)]
    assert not missing, answers
    coloured = [any(word in answer for words in sounds for word in words) for answer in answers]
    half = len(answers) // 2
    assert any(coloured[:half]), answers
    assert any(coloured[half:]), answers
    assert sum(coloured) < len(answers), "it is a person, not a refrain"


def test_who_answers_briefly_says_less_than_who_is_talkative() -> None:
    brief, talkative = (Talk(case) for case in (BELLY, RASH))
    words = [[len(talk.ask(question).split()) for question in NEUTRAL] for talk in (brief, talkative)]
    assert sum(words[0]) < sum(words[1]), words


@pytest.mark.parametrize(
    ("direction", "heard"),
    [
        ("Mentions that she took cocaine last night.", "took cocaine last night"),
        ("Refuses the needle.", "needle"),
        ("Wants to call her mother.", "mother"),
        ("Asks whether she can have some water.", "water"),
        ("Becomes very angry about the waiting.", ("waiting", "how much longer", "what they are doing")),
    ],
)
def test_a_new_direction_is_heard_soon(direction: str, heard: Any) -> None:
    talk = Talk(BELLY, modifiers=[*BELLY["modifiers"], direction], instructions="")
    said = " ".join(
        talk.ask(question) for question in ("Any fever?", "Do you smoke?", "How are you?", "Any allergies?", "And?")
    )
    assert any(words in said.lower() for words in ((heard,) if isinstance(heard, str) else heard)), said


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        ("The patient turns pale and nearly faints.", ("faint", "dark")),
        ("Maria vomits into a bowl.", ("sick",)),
        ("A nurse measures the temperature: 39.2.", ("fever", "hot")),
        (
            "The fire alarm goes off.",
            (
                "alarm",
                "What",
            ),
        ),
    ],
)
def test_what_happens_is_noticed_in_the_next_reply_only(event: str, heard: tuple[str, ...]) -> None:
    talk = Talk(BELLY)
    talk.ask("Where does it hurt?")
    talk.happens(event)
    reply = talk.ask("Do you smoke?")
    assert any(words in reply for words in heard), reply
    assert "do not smoke" in reply
    assert not any(words in talk.ask("Do you drink alcohol?") for words in heard)


def test_results_of_tests_are_not_what_the_patient_sees() -> None:
    talk = Talk(BELLY)
    talk.happens("C-reactive protein: 84 mg/L (reference 0-5), high")
    assert "84" not in talk.ask("Do you smoke?")


def test_what_is_told_becomes_known_as_the_author_wrote_it() -> None:
    talk = Talk(CHEST)
    talk.ask("Are you allergic to anything?")
    assert talk.facts == {"Allergies": "He is allergic to penicillin, it gave him a rash as a child."}
    talk.ask("Any chills?")
    assert talk.facts == {"Chills": "No."}
    talk.ask("Thank you.")
    assert talk.facts == {}


def test_it_shows_its_picture_when_asked_to() -> None:
    talk = Talk(RASH)
    talk.simulation.images.create(description="The thigh", content_type="image/png", width=1, height=1, size=1)
    talk.ask("Could you show me the spot?")
    assert talk.shows is True
    talk.ask("Does it itch?")
    assert talk.shows is False


def test_a_case_with_little_in_it_still_talks() -> None:
    talk = Talk(
        {
            "sim_patient_full_name": "Otto Klein",
            "chief_complaint": "a cough for two weeks",
            "diagnosis": "pneumonia",
            "scenario": "",
        }
    )
    assert "cough for two weeks" in talk.ask("What brings you here?")
    assert "cough" in talk.ask("How long have you had it?")
    answers = [
        talk.ask(question) for question in ("Do you smoke?", "Any fever?", "What is your job?", "Is it pneumonia?")
    ]
    assert all(answers)
    assert "neumonia" not in " ".join(answers)


def test_a_story_in_other_words_is_understood() -> None:
    story = (
        "Ms Ito is a 71-year-old retired teacher. For three days she has been passing urine every hour, and it burns. "
        "Yesterday she began to shiver. Her left flank aches. She has type 2 diabetes and takes metformin. "
        "Sulfa drugs make her come out in hives. She lives alone on the fourth floor."
    )
    talk = Talk(
        {"sim_patient_full_name": "Ms Ito", "chief_complaint": "burning", "diagnosis": "cystitis", "scenario": story}
    )
    assert "burns" in talk.ask("Any problems passing water?")
    assert "shiver" in talk.ask("Have you had chills?")
    assert "diabetes" in talk.ask("Any past medical history?")
    assert "metformin" in talk.ask("Do you take any tablets?")
    assert "live alone" in talk.ask("Who is at home with you?")
