"""Questions that are nearly the same and must not be answered for each other, and some that are the same.

A side is the last user message, or what differs from `body_of`'s defaults.
"""

from __future__ import annotations

from typing import Any

Side = dict[str, Any]
LONG = (
    "You are given the minutes of a meeting about the new warehouse. The team talked about the budget, the schedule,"
    " the loading docks, the forklifts, the heating, the alarm system and the parking spaces. Summarize who has to do"
    " what until when, in short sentences, for readers who were not there, and say how many {} are planned."
)
CODE = "What does this print?\n```python\nprint({})\n```"


def text(content: str) -> Side:
    return {"text": content}


def body_of(side: Side) -> dict[str, Any]:
    """The request of one side."""
    system = side.get("system", "You are a helpful assistant.")
    history = side.get("history", [])
    last = {"role": "user", "content": side.get("text", "What is the capital of France?")}
    messages = [{"role": "system", "content": system}, *history, last]
    return {"model": side.get("model", "gpt-4o-mini"), "messages": messages, **side.get("parameters", {})}


def turn(asked: str, answered: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
WORDS = [
    ("number", "Is 5 mg of ibuprofen enough?", "Is 6 mg of ibuprofen enough?"),
    ("number within a long text", LONG.format("12 docks"), LONG.format("13 docks")),
    ("number written in words", "List three reasons for the delay.", "List four reasons for the delay."),
    ("number with decimals", "Round 2.5 to a whole number.", "Round 2.6 to a whole number."),
    ("number negative", "What is 7 plus -3?", "What is 7 plus 3?"),
    ("numbers swapped", "Subtract 3 from 8.", "Subtract 8 from 3."),
    ("year", "Who won the cup in 2014?", "Who won the cup in 2018?"),
    ("percent", "What is 10% of 90?", "What is 10 of 90?"),
    ("version", "How do I install Django 4.2?", "How do I install Django 5.2?"),
    ("ordinal", "Who was the first king of Spain?", "Who was the second king of Spain?"),
    ("date", "What happened on 2020-02-03?", "What happened on 2020-03-02?"),
    ("time", "Set it to 10:30", "Set it to 10:45"),
    ("currency", "Is $40 a fair price?", "Is €40 a fair price?"),
    ("half", "Explain half of the chapter.", "Explain all of the chapter."),
    ("negation", "Is it safe to mix them?", "Is it not safe to mix them?"),
    ("negation contracted", "Does it work with old phones?", "Doesn't it work with old phones?"),
    ("negation never", "Why do cats always land on their feet?", "Why do cats never land on their feet?"),
    ("negation without", "A recipe for bread with yeast", "A recipe for bread without yeast"),
    ("negation except", "List all planets including Mars", "List all planets except Mars"),
    ("negation no", "Are there any side effects?", "Are there no side effects?"),
    ("negation prefix", "Name common symptoms.", "Name uncommon symptoms."),
    ("negation can't", "Which animals can swim?", "Which animals can't swim?"),
    ("negation German", "Ist das giftig?", "Ist das nicht giftig?"),
    ("negation in a long text", LONG.format("docks"), LONG.format("docks").replace("who were not", "who were")),
    ("opposite", "How do I increase the volume?", "How do I decrease the volume?"),
    ("opposite maximum", "What is the maximum speed?", "What is the minimum speed?"),
    ("opposite before", "What should I do before surgery?", "What should I do after surgery?"),
    ("opposite enable", "How do I enable the firewall?", "How do I disable the firewall?"),
    ("opposite encrypt", "How do I encrypt this file?", "How do I decrypt this file?"),
    ("opposite best", "What is the best way to do it?", "What is the worst way to do it?"),
    ("opposite true", "Answer true when it rains.", "Answer false when it rains."),
    ("opposite pronoun", "Why did he leave her?", "Why did she leave him?"),
    ("order from and to", "Convert euros to dollars.", "Convert dollars to euros."),
    ("order of who does what", "Can a dog bite a man?", "Can a man bite a dog?"),
    ("order of steps", "Translate it, then shorten it.", "Shorten it, then translate it."),
    ("question and statement", "You did it?", "You did it."),
    ("weekday", "Is the shop open on Monday?", "Is the shop open on Sunday?"),
    ("abbreviation", "What does IT cost us?", "What does it cost us?"),
    ("country and bird", "How big is Turkey?", "How big is turkey?"),
    ("code", CODE.format("1 + 1"), CODE.format("1 - 1")),
    ("operator", "Is x > y here?", "Is x < y here?"),
    ("comma", "Let's eat, grandma", "Let's eat grandma"),
    ("quotation", 'Explain the word "bank"', "Explain the word bank"),
    ("identifier", "What does user_id mean?", "What does user-id mean?"),
    ("URL", "Summarize https://example.com/a", "Summarize https://example.com/b"),
    ("e-mail address", "Write to ann@example.com", "Write to anna@example.com"),
    ("letter", "What is vitamin A?", "What is vitamin B?"),
    ("grade", "What does grade a mean?", "What does grade mean?"),
    ("minus at the beginning", "-5 plus 3 is what?", "5 plus 3 is what?"),
    ("indentation", "What runs?\n```\nif x:\n    a()\nb()\n```", "What runs?\n```\nif x:\n    a()\n    b()\n```"),
    ("blanks", "How many words are in 'a b'?", "How many words are in 'a  b'?"),
    ("capitals in code", "What is `Foo`?", "What is `foo`?"),
    ("key", "Write a song in A minor", "Write a song in minor"),
    ("unit", "Is 10 Ms enough?", "Is 10 ms enough?"),
    ("unit of data", "How long do 5 MB take?", "How long do 5 Mb take?"),
    ("other subject, greeting that is asked about", "Hello world in Python", "World in Python"),
    ("other subject, thanks that are asked about", "Translate: thanks", "Translate: please"),
    ("other subject, courtesy that is asked about", "Say it, please", "Say it, thanks"),
    ("other subject", "What is the capital of France?", "What is the capital of Spain?"),
    ("other subject of the same kind", "Who wrote Hamlet?", "Who wrote Macbeth?"),
    ("other subject in a long text", LONG.format("docks"), LONG.format("docks").replace("warehouse", "hospital")),
    ("other subject, one letter", "Is lactose soluble?", "Is lactase soluble?"),
    ("other subject and language", "Say hello in Danish", "Say hello in Dutch"),
    ("other subject, singular and plural", "Who is the user?", "Who is the users?"),
    ("other subject, modal", "Must I pay the tax?", "May I pay the tax?"),
]
AROUND: list[tuple[str, Side, Side]] = [
    ("owner", {"owner": "41"}, {"owner": "42"}),
    ("owner whose number begins alike", {"owner": "4"}, {"owner": "42"}),
    ("system prompt", {"system": "Answer in English."}, {"system": "Answer in French."}),
    ("system prompt by a word", {"system": "Be brief."}, {"system": "Be very brief."}),
    ("system prompt missing", {"system": ""}, {"system": "You are a helpful assistant."}),
    ("model", {"model": "gpt-4o-mini"}, {"model": "gpt-4o"}),
    ("temperature", {"parameters": {"temperature": 0}}, {"parameters": {"temperature": 1}}),
    ("temperature missing", {"parameters": {"temperature": 0}}, {}),
    ("top_p", {"parameters": {"top_p": 0.1}}, {"parameters": {"top_p": 0.2}}),
    ("max_tokens", {"parameters": {"max_tokens": 10}}, {"parameters": {"max_tokens": 100}}),
    ("stop", {"parameters": {"stop": ["."]}}, {"parameters": {"stop": [","]}}),
    ("seed", {"parameters": {"seed": 1}}, {"parameters": {"seed": 2}}),
    ("tools", {"parameters": {"tools": [TOOL]}}, {}),
    ("tool choice", {"parameters": {"tools": [TOOL]}}, {"parameters": {"tools": [TOOL], "tool_choice": "none"}}),
    ("format", {"parameters": {"response_format": {"type": "json_object"}}}, {}),
    ("number of choices", {"parameters": {"n": 1}}, {"parameters": {"n": 2}}),
    ("history", {"history": turn("I live in Rome.", "Nice.")}, {"history": turn("I live in Oslo.", "Nice.")}),
    ("history of answers", {"history": turn("Hm?", "Yes.")}, {"history": turn("Hm?", "No.")}),
    ("longer history", {"history": turn("Hm?", "Yes.")}, {"history": turn("Hm?", "Yes.") + turn("So?", "Oh.")}),
]
NEAR_DUPLICATES = [(name, text(first), text(second)) for name, first, second in WORDS] + [
    # The last message differs a little too, so that only a comparison by meaning could find it.
    (name, first, second | {"text": "what is the capital of France"})
    for name, first, second in AROUND
]
DUPLICATES = [
    ("What is the capital of France?", "what is the capital of france"),
    ("What is the capital of France?", "What's the capital of France?"),
    ("What is the capital of France?", "Please tell me what is the capital of France."),
    ("How do I install Django 5.2?", "how do I install Django 5.2"),
    ("List three reasons for the delay.", "Could you please list three reasons for the delay"),
    ("Don't use tables", "do not use tables."),
    ("Summarize a text", "Summarize text"),
]
