"""Words that mean the same in whatever sentence they are.

Each line is a group; its first member stands for all. Words with a second meaning of their own are left out ("flat",
"plane", "drug"), and so are words that are only near ("illness, disease", "drop, delete"): what is not here counts as
different, which costs a cache hit, never a wrong answer.
"""

from __future__ import annotations

import re

GROUPS = """
buy, purchase
buying, purchasing
bought, purchased
begin, start, commence
begins, starts
beginning, starting
car, automobile
cars, automobiles
quickly, rapidly
child, kid
children, kids
mother, mum, mom, mommy
father, dad, daddy
grandmother, grandma, granny
grandfather, grandpa
photo, photograph
photos, photographs
mobile phone, cell phone, cellphone, mobile telephone
mobile phones, cell phones, cellphones
phone number, telephone number
recommend, suggest
television, tv, TV, telly
fridge, refrigerator
airplane, aeroplane
airplanes, aeroplanes
sofa, couch
petrol, gasoline
luggage, baggage
delete, remove
deleting, removing
advantages, pros
use, utilize, utilise
using, utilizing, utilising
need, require
permit, allow
permitted, allowed
forbidden, prohibited
illegal, unlawful, against law
choose, select
choosing, selecting
often, frequently
usually, typically
sick, ill
hypertension, high blood pressure
hypotension, low blood pressure
heart attack, myocardial infarction, heart attacks
paracetamol, acetaminophen
influenza, flu
adrenaline, epinephrine
tenant, renter
cheap, inexpensive
cheapest, least expensive
expensive, costly
largest, biggest
larger, bigger
fastest, quickest
faster, quicker
rich in, high in
baking soda, bicarbonate of soda, sodium bicarbonate
repository, repo
repositories, repos
database, db
databases, dbs
configuration, config
information, info
administrator, admin
javascript, js, JavaScript, JS
typescript, ts, TypeScript
postgresql, postgres, PostgreSQL
github, GitHub
log in, login, sign in, log on
turn off, switch off
turn on, switch on
set up, setup
throw away, discard
due to, because of
usa, united states, US, USA, united states of america
uk, UK, united kingdom
new york city, NYC, nyc
happen, occur, take place
happens, occurs, takes place
happened, occurred, took place
disadvantages, drawbacks, cons, downsides
side effects, adverse effects
loop over, loop through, iterate over, iterate through
child support, child maintenance
last name, surname, family name
first name, given name
date of birth, birth date
colour, color
colours, colors
flavour, flavor
favourite, favorite
neighbour, neighbor
behaviour, behavior
centre, center
litre, liter
litres, liters
theatre, theater
licence, license
defence, defense
tyre, tire
tyres, tires
organise, organize
organisation, organization
recognise, recognize
summarise, summarize
analyse, analyze
optimise, optimize
initialise, initialize
serialise, serialize
traveller, traveler
travelling, traveling
cancelled, canceled
aluminium, aluminum
grey, gray
yoghurt, yogurt
pyjamas, pajamas
learned, learnt
burned, burnt
2, two
3, three
4, four
5, five
6, six
7, seven
8, eight
9, nine
10, ten
11, eleven
12, twelve
"""
AFTER_A_NUMBER = """
mg, milligram, milligrams, mgs
g, gram, grams, gramme, grammes
kg, kilogram, kilograms, kilo, kilos, kgs
km, kilometer, kilometers, kilometre, kilometres
m, meter, meters, metre, metres
cm, centimeter, centimeters, centimetre, centimetres
mm, millimeter, millimeters, millimetre, millimetres
ml, milliliter, milliliters, millilitre, millilitres, mL
%, percent, per cent
hours, hour, hrs, hr, h
minutes, minute, mins, min
seconds, second, secs, sec
"""
"""Units; elsewhere their words may mean something else."""
OF_A_VERB = """
repair, fix, mend
improve, enhance
calculate, compute
contact, get in touch with
get, obtain
begin, start, commence
speed up, accelerate
"""
"""Where a verb must stand: at the beginning of what somebody wants to do."""
LEVELS = (
    "blood pressure|blood sugar|cholesterol|heart rate|temperature|risk|price|prices|cost|costs|tax|taxes|rent|debt"
    "|weight|stress|anxiety|pain|swelling|inflammation|speed|memory usage|latency|file size|volume|brightness|amount"
    "|number|energy|productivity|sales|salary|income|bill|bills|noise|humidity|acidity|expenses|emissions"
)
DOCUMENTS = (
    "password|name|address|email|email address|settings?|contract|lease|text|booking|reservation|order|schedule|column"
    "|configuration|query|code|permissions|plan|budget|appointment|date|username|profile|file"
)
PROGRAMS = "script|program|command|query|test|tests|file|function|macro|code|job|application|app"
THINGS_MADE = (
    "account|backup|branch|budget|chart|class|copy|database|document|file|folder|form|function|graph|list|playlist"
    "|presentation|schedule|spreadsheet|table|website|web page|virtual environment|dictionary|array|loop|variable"
)
OF_A_VERB_AND_ITS_OBJECT = (
    ("reduce, lower, decrease", LEVELS),
    ("increase, raise, boost", LEVELS),
    ("modify, change", DOCUMENTS),
    ("run, execute", PROGRAMS),
    ("create, make", THINGS_MADE),
    ("verify, check", "if|whether|that"),
    ("stop, quit, give up", "[a-z]+ing"),
    ("delete, erase", "file|files|data|history|account|message|messages|photo|photos"),
)
"""Verbs that mean the same before some objects; before others they do not ("execute a will", "change a tyre")."""


def _replacement(groups: str, before: str, after: str = r"(?= |$)") -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds the members of groups in words that are joined by blanks, and the first of each group."""
    rows = [line.split(", ") for line in groups.strip().splitlines()]
    first = {each: row[0] for row in rows for each in row[1:]}
    longest = "|".join(map(re.escape, sorted(first, key=len, reverse=True)))
    return re.compile(rf"{before}({longest}){after}"), first


EVERYWHERE = _replacement(GROUPS, r"(?:(?<= )|^)")
UNITS = _replacement(AFTER_A_NUMBER, r"(?<=\d )")
VERBS = _replacement(OF_A_VERB, r"(?<=howto )")
WITH_OBJECTS = tuple(
    _replacement(verbs, r"(?<=howto )", rf"(?= (?:(?:my|the|this|your) )?(?:\w+ )?(?:{objects})(?: |$))")
    for verbs, objects in OF_A_VERB_AND_ITS_OBJECT
)


def replaced(text: str, finder: tuple[re.Pattern[str], dict[str, str]]) -> str:
    """The text with each member of a group as the group's first member."""
    pattern, first = finder
    return pattern.sub(lambda found: first[found[1]], text)
