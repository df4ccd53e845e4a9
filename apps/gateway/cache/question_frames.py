"""The ways in which the same question is put: "how can I", "what is the way to", "who is the author of"."""

from __future__ import annotations

import re
from collections.abc import Callable

I = r"(?:i|we|one|someone|somebody)"  # noqa: E741 - the word
MAY = r"(?:do|does|can|could|should|would)"
WAY = r"(?:way|ways|method|methods|procedure|process|technique|approach|steps)"
GOOD = r"(?:best |good |right |correct |proper |usual )?"
WISH = r"(?:i want|i need|i would like|i am trying)"
KNOW = r"(?:i (?:want|need|would like) to know)"
SAY = rf"(?:explain|describe|show me|teach me|tell me|help me understand|{KNOW})"
DONE = r"(written|invented|painted|composed|founded|discovered|created|designed)"
OK = r"(?:ok|okay|fine|all right|alright)"
ROLES = {
    "author": "wrote", "writer": "wrote", "inventor": "invented", "painter": "painted", "composer": "composed",
    "founder": "founded", "discoverer": "discovered", "creator": "created",
    "architect": "designed", "designer": "designed",
}  # fmt: skip
MEASURES = {
    "old": "age", "tall": "height", "high": "height", "deep": "depth", "long": "length", "wide": "width",
    "heavy": "weight", "big": "size", "large": "size", "fast": "speed", "far": "distance",
}  # fmt: skip
IRREGULAR = {
    "getting": "get", "setting": "set", "putting": "put", "cutting": "cut", "running": "run", "stopping": "stop",
    "beginning": "begin", "planning": "plan", "swimming": "swim", "quitting": "quit", "shutting": "shut",
    "making": "make", "taking": "take", "writing": "write", "using": "use", "removing": "remove", "deleting": "delete",
    "creating": "create", "changing": "change", "baking": "bake", "reducing": "reduce", "increasing": "increase",
    "improving": "improve", "calculating": "calculate", "updating": "update", "merging": "merge", "closing": "close",
    "losing": "lose", "choosing": "choose", "preparing": "prepare", "driving": "drive", "moving": "move",
    "solving": "solve", "saving": "save", "storing": "store", "sharing": "share", "freezing": "freeze",
    "dividing": "divide", "reversing": "reverse", "renaming": "rename", "replacing": "replace", "parsing": "parse",
    "configuring": "configure", "measuring": "measure", "treating": "treat", "tying": "tie", "dyeing": "dye",
}  # fmt: skip


def _base(gerund: str) -> str:
    """The verb of a gerund; one that is not known only loses its ending."""
    return IRREGULAR.get(gerund) or gerund.removesuffix("ing")


def _howto_gerund(found: re.Match[str]) -> str:
    return f"howto {_base(found[1])}"


def _role(found: re.Match[str]) -> str:
    return f"who {ROLES[found[1]]} "


def _active(found: re.Match[str]) -> str:
    return f"who {found[2].replace('written', 'wrote')} {found[1]}"


def _measure(found: re.Match[str]) -> str:
    return f"what is {MEASURES[found[1]]} of {found[2]}"


def _difference(found: re.Match[str]) -> str:
    """In either order."""
    return "difference between " + " and ".join(sorted((found[1], found[2])))


def _distance(found: re.Match[str]) -> str:
    """In either direction."""
    return "distance between " + " and ".join(sorted((found[1], found[2])))


def _you(found: re.Match[str]) -> str:
    """ "How do you" asks how one does it, unless it is about the one who is asked."""
    return found[0] if re.search(r"\byou(?:r|rs|rself)?\b", found[1]) else f"howto {found[1]}"


PRONOUN = r"(?:i|you|he|she|it|we|they|this|that|these|those|there)"
STATE = (
    r"(?:wrong|new|up|next|left|missing|due|open|good|better|best|bad|worse|worst|safe|legal|included|required|allowed)"
)
ABOUT_YOU = (
    r"feel|know|think|do|look|work|live|sleep|like|see|mean|handle|protect|process|store|use my|decide|choose|earn"
    r"|(?:make|take|form|reach) (?:decisions|choices|money|notes)|learn|remember|differ|compare|respond|answer|react"
)
AMOUNTS = (
    r"too|enough|left|needed|safe|allowed|normal|cups?|pints?|quarts?|gallons?|tea|teaspoons?|tablespoons?|spoons?|pinch"
    r"|dash|ounces?|pounds?|lbs?|grams?|kilos?|kilograms?|milligrams?|liters?|litres?|milliliters?|miles?|meters?"
    r"|metres?|inch|inches|feet|foot|stone|ton|tons|dose|portion|serving|drops?|dozen|percent|it|that|this|there"
)
"""Words of questions that ask how large an amount is, not what it costs."""
Frame = tuple[str, str | Callable[[re.Match[str]], str]]
FRAMES: tuple[Frame, ...] = (
    # How to do something.
    (rf"^how {MAY} {I} (?:best |go about )?(?=[a-z]+ing )", "howto-gerund "),
    (rf"^how {MAY} {I} (?:best )?", "howto "),
    (rf"^how do you (?!(?:{ABOUT_YOU})\b)(.+)$", _you),
    (rf"^(?:{SAY} )?how (?:{I} (?:can|could|should|would) )", "howto "),
    (rf"^(?:{SAY} )?how to ", "howto "),
    (rf"^(?:what|which) (?:is|are) {GOOD}{WAY} (?:to|that i can use to) ", "howto "),
    (rf"^(?:what|which) (?:is|are) {GOOD}{WAY} (?:for|of) (?=[a-z]+ing\b)", "howto-gerund "),
    (rf"^(?:what|which) {WAY} {MAY} {I} (?:use|follow|take) to ", "howto "),
    (rf"^what (?:do|can|could) {I} (?:do|have to do|need to do) (?:in order )?to ", "howto "),
    (rf"^{WISH} to (.+?) [.,] how (?:do|can|should) i do (?:that|it|this)(?: \?)?$", r"howto \1"),
    (r"^howto-gerund ([a-z]+ing)\b", _howto_gerund),
    (r"^howto (?:know|tell|find out|determine) (?:if|whether) ", "howto know if "),
    # What it is.
    (r"^(what|who) (is|was) (\w+)'s (\w+)$", r"\1 \2 \4 of \3"),
    (r"^what are ([a-z]+) (symptoms|side effects)$", r"\2 of \1"),
    (r"^(?:what is )?(?:purpose|use) of (.+)$", r"what is \1 used for"),
    (rf"^what (?:does|do) (?!{PRONOUN} )(.+) mean$", r"define \1"),
    (r"^what is (?:meant by|meaning of|definition of) ", "define "),
    (r"^(?:give(?: me)? definition of|what do you mean by) ", "define "),
    (rf"^what (?:is|are) (?!{PRONOUN}\b|{STATE}$)([a-zA-Z]+(?: [a-z]+)?)$", r"define \1"),
    (r"^(?:give(?: me)?|provide|write) (?:short |brief )?(explanation|description|summary) of ",
     lambda found: {"explanation": "explain ", "description": "describe ", "summary": "summarize "}[found[1]]),
    (r"^sum up ", "summarize "),
    (r"^give(?: me)? simple explanation of (.+)$", r"explain \1 in simple terms"),
    (r"\bin (?:simple|plain|easy) (?:words|terms|language|english)$|\bsimply$", "in simple terms"),
    (r"^(?:name|list|give|give me|tell me) (?=\d|two|three|four|five|six|seven|eight|nine|ten|some)", "list "),
    (r"^explain (?=how |why )", ""),
    (r"^how (?:do|does) (.+ (?:work|form|spread|develop))$", r"how \1"),
    (r"^how (.+ (?:work|form|spread|develop))s$", r"how \1"),
    (r"^(write|show|give|draft) me ", r"\1 "),
    (r"^what can you tell me about ", "tell me about "),
    (r"^(?:what|which) (.+?) (?:is|are) (\w+est|most \w+|least \w+)( in .+)?$", r"what is \2 \1\3"),
    (r"^tell me (?=\w+ of )", "what is "),
    # Who did it, and which one it is.
    (rf"^who (?:is|was) ({'|'.join(ROLES)}) of ", _role),
    (rf"^(?:what|which) (?:person|man|woman) (?=(?:{'|'.join(sorted(set(ROLES.values())))}) )", "who "),
    (rf"^by whom was (.+) {DONE}$", _active),
    (rf"^(.+) was {DONE} by whom?$", _active),
    (rf"^whom? was (.+) {DONE} by$", _active),
    (r"^(?:what|which) (?:city|town) is capital of ", "what is capital of "),
    (r"^(?:what|which) city is capital$", "what is capital"),
    (r"^what is capital city of ", "what is capital of "),
    # How much of it.
    (r"^how much (?:does|do) (.+) cost$", r"what is price of \1"),
    (rf"^how much (?:is|are) (?!.*(?:\d|\b(?:{AMOUNTS})\b))(.+)$", r"what is price of \1"),
    (r"^what (?:does|do) (.+) cost$", r"what is price of \1"),
    (r"^what (?:is|are) (?:price|cost) of (?!living)", "what is price of "),
    (r"^how far is (.+) from (.+)$", _distance),
    (r"^what is distance between (.+) and (.+)$", _distance),
    (r"^what is distance from (.+) to (.+)$", _distance),
    (rf"^how ({'|'.join(MEASURES)}) (?:is|are) (.+)$", _measure),
    (r"^how many people live in (.+)$", r"what is population of \1"),
    (r"^how many (.+) (?:does|do) (.+) contain$", r"how many \1 of \2"),
    (r"^how much (\w+) (?:is there|is) in (.+)$", r"how much \1 of \2"),
    (r"^how much (\w+) (?:does|do) (.+) (?:have|contain)$", r"how much \1 of \2"),
    (r"^what is number of (.+) (?:in|of) (.+)$", r"how many \1 of \2"),
    (r"^how many (.+) (?:does|do) (.+) have$", r"how many \1 of \2"),
    (r"^how many (.+?) (?:are there|are|is there) (?:in|on) (.+)$", r"how many \1 of \2"),
    (r"^(.+) (?:has|have) how many (.+)$", r"how many \2 of \1"),
    (r"^how (?:long|much time) (?:does|will|would) it take (?:me )?to ", "how long to "),
    (rf"^(?:for )?how (?:long|much time) (?:do|does) {I} need to ", "how long should i "),
    (rf"^(?:for )?how (?:long|much time) should {I} ", "how long should i "),
    (r"^at (?=what |which )", ""),
    (r"^what temperature does (.+) boil(?: at$)?", r"what is boiling point of \1"),
    (r"^what temperature does (.+) melt(?: at$)?", r"what is melting point of \1"),
    (r"^what temperature does (.+) freeze(?: at$)?", r"what is freezing point of \1"),
    (r"^(?:in )?(?:what|which) year (?:was|did) ", lambda found: "when was " if "was" in found[0] else "when did "),
    (r"^what time (?=do|does|did)", "when "),
    # Why it is, and what it leads to.
    (r"^what is reason (?:why |that )?(.+?) (?:is|are) (\w+)$", r"why \1 \2"),
    (r"^what (?:will|would) happen if ", "what happens if "),
    (r"^what (?:do|should) i do (?=if|when|after|before)", "what should i do "),
    (r"^(?:what is (?:reason|cause) (?:why|that)|how come|for what reason (?:does|do|is|are)) ", "why "),
    (r"^why (?:does|do|is|are) ", "why "),
    (r"^why (.+) (?:happen|occur)$", r"causes of \1"),
    (r"^what (?:causes|is cause of|are causes of) ", "causes of "),
    (r"^(?:what are |what is )?(symptoms|side effects|advantages|disadvantages|benefits|risks) of ", r"\1 of "),
    (r"^(?:what|which) (symptoms|side effects|advantages|disadvantages|benefits|risks) (?:does|do) (.+?) "
     r"(?:have|cause|bring)$", r"\1 of \2"),
    # What distinguishes two things.
    (r"^what (?:is|are) (?:main )?differences? between (.+) and (.+)$", _difference),
    (r"^how (?:does|do) (.+) differ from (.+)$", _difference),
    (r"^how (?:is|are) (.+) different from (.+)$", _difference),
    (r"^(?:explain|describe) differences? between (.+) and (.+)$", _difference),
    (r"^what (?:distinguishes|sets) (.+?) (?:apart )?from (.+)$", _difference),
    # What is allowed, and what is necessary.
    (r"^(?:am i (?:allowed|permitted) to|is it (?:allowed|permitted)(?: for me)? to) ", "may i "),
    (rf"^(?:can one|is it {OK}(?: for me)? to) ", "can i "),
    (r"^can you (?=(?:take|eat|drink|freeze|mix|reheat) )", "can i "),
    (r"^(?:do i (?:have|need) to|must i|am i (?:required|obliged) to|is it (?:necessary|required|mandatory)"
     r"(?: for me)? to) ", "must i "),
    (r"^is it (safe|legal|illegal|dangerous|possible) for (?:me|someone|one) to ", r"is it \1 to "),
    (r"^(?:is|are) (?!it )(.+) (safe|legal|illegal|dangerous) to (\w+)( .+)?$", r"is it \2 to \3 \1\4"),
    (r"^(?:is|are) (?!it )(.+?) (?:required|necessary|needed|mandatory)( .+)?$", r"do i need \1\2"),
    (r"^(?:is|are) there (?:any )?(.+) in (.+)$", r"does \2 contain \1"),
    (r"^do (.+) contain ", r"does \1 contain "),
    # Where it is, and how often.
    (r"^where (?:is|are) (.+) (?:located|situated)$", r"where is \1"),
    (r"^(?:what is location of|in (?:what|which) place is) ", "where is "),
    (r"^how frequently ", "how often "),
    (r"^(howto )?(?:turn|change|transform|convert) (.+) (?:into|to) ", r"\1convert \2 to "),
    (r"^translate (.+) into ", r"translate \1 to "),
    (r"^which ", "what "),
)  # fmt: skip
COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in FRAMES)


def in_one_frame(question: str) -> str:
    """The question, put in the way that stands for all ways of putting it. Its words are joined by blanks."""
    for pattern, replacement in COMPILED:
        question = pattern.sub(replacement, question)
    return question
