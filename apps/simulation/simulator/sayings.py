"""What a patient says when a table has no answer of its own."""

from __future__ import annotations

from apps.simulation.simulator.openings import Opening

SHOWING = "show me|us|it; picture*|photo*|image*|snapshot; can|may|could|let|like .. see|look"
"""Words that ask to be shown something."""
PICTURES = "send|show|take|have|got|see .. picture*|photo*|image*|snapshot"
SHOWN = ("Yes, of course. Look here.", "Here, I will show you.", "I can show you. There.")
NOT_SHOWN = ("You can have a look at me.", "I have no picture of it, but you can examine me.")

NAMING = (
    "I would not know. Is that what you think it is?",
    "You mean it could be that? I know nothing about such things.",
    "Is that what it is? You frighten me a little.",
    "I do not know, you are the expert. Would that be bad?",
)
"""To whoever names the illness."""
AGAIN = ("As I said: {fact}", "Again: {fact}", "Like I told you: {fact}")
CURT_AGAIN = ("I told you already. {fact}", "You asked me that before. {fact}", "Again? {fact}")
NOT_KNOWN = (
    "I am not sure. Could you ask that in another way?",
    "I do not know what to say to that, I am afraid.",
    "Sorry, I do not quite follow. What do you want to know?",
    "Hm, I cannot really say.",
)
"""To a question that was not understood."""
NOT_KNOWN_TO: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("what would|will|does .. happen*; what happens", ("I do not know, you would have to tell me that.",)),
    ("how many|much|far|big|high|heavy", ("I could not say exactly.", "I never counted, to be honest.")),
    ("how often", ("Not very often, I think.", "Now and then, I do not keep count.")),
    ("when|how long", ("I do not remember exactly when.", "I could not say exactly when that was.")),
    ("who|whose", ("Nobody in particular.", "I would have to think about that.")),
    ("why|how come", ("I do not know why, to be honest.",)),
    ("where", ("I could not say where exactly.", "Nowhere special.")),
    ("what .. like", ("Nothing out of the ordinary, I think.",)),
    ("how", ("I am not sure how, to be honest.", "As usual, I think.")),
)
"""By its question word."""
SUPPOSING = "is|could|might|may it|this|that .. be|a|an; is it .. my|a|an; think|believe it|this|that .. is|be"
NOT_SURE = ("I am not sure, to be honest.", "I could not say for sure.", "I do not really know.")
"""To one about something that was not understood."""
DENIED = ("Not that I know of.", "Not that I have noticed.", "No, I do not think so.", "I do not think so.")
"""To a question for yes or no that was not understood."""
HEARD = ("All right.", "If you say so.", "I see.", "Good to know.", "All right. And now?")
"""To a statement that was not understood."""
FOREIGN = (
    "Sorry, English is easier for me. {answer}",
    "I understood a little. {answer}",
)
"""Before an answer to another language."""
PARDON = ("Pardon? What did you say?", "Sorry, I did not get that.", "What do you mean?")
"""To what is not a sentence."""
NOT_ENGLISH = ("Sorry, I did not understand that. Could you say it in English?",)
NO_MORE = ("That is all I can think of.", "No, that is everything, I think.", "No, nothing else comes to mind.")
AT_TIMES = ("Much the same then, I think.", "No different then, I think.")
"""To a question for the time of day of something of which none is known."""
SURE = ("Yes, as far as I know.", "Yes, I am quite sure.", "I am, yes.")
"""To who asks whether that is really so."""
FILLERS = ("Well, ", "Let me think. ", "Hm, ", "")
OPENINGS: dict[Opening, tuple[str, ...]] = {
    Opening.YES: ("Yes, ",),
    Opening.NO: ("No, ",),
    Opening.NOT_SO: ("No. ",),
    Opening.NOT_QUITE: ("Not really. ",),
    Opening.NOT_THAT: ("Not that I know of. ", "Not that I have noticed. "),
    Opening.NOTHING_ELSE: ("Nothing else. ", "No, nothing else. ", "Only that: "),
    Opening.NOT_NOW: ("Not now. ", "Not any more. "),
    Opening.UNDATED: ("I could not say exactly. ", "I do not remember exactly. ", "Hard to say. "),
    Opening.FILLER: FILLERS,
}
"""Before a sentence of the story."""
