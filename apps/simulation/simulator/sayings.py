"""What a patient says when a table has no answer of its own."""

from __future__ import annotations

SHOWING = "show me|us|it; picture*|photo*|image*|snapshot; can|may|could|let|like .. see|look"
"""Words that ask to be shown something."""
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
FILLERS = ("Well, ", "Let me think. ", "Hm, ", "")
