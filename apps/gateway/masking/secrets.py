"""Finds secrets: tokens of known forms, PEM blocks, and passwords in connection strings, settings and headers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.gateway.masking.numbers import FREE_BEFORE

Span = tuple[int, int]
WORD = r"[\w-]"
FORMS = (
    rf"sk-(?=\w*-?{WORD}*\d){WORD}{{16,400}}|sk-(?:[a-z]{{2,8}}-)?\w{{20,400}}",  # OpenAI and those who follow it
    rf"(?:sk|rk|pk)_(?:live|test)_{WORD}{{10,250}}|whsec_[\w+/=]{{16,100}}",  # Stripe
    r"gh[pousr]_\w{16,255}|github_pat_\w{20,255}",
    rf"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-{WORD}{{16,300}}",  # GitLab
    rf"xox[abceoprs]-{WORD}{{10,300}}|xapp-{WORD}{{10,300}}|hooks\.slack\.com/services/[\w/]{{20,100}}",
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z\d]{16}(?!\w)",  # AWS
    rf"AIza{WORD}{{30,45}}|ya29\.[\w.-]{{20,2048}}|GOCSPX-{WORD}{{20,40}}",  # Google
    r"npm_[A-Za-z\d]{30,50}|hf_[A-Za-z\d]{20,60}|gsk_[A-Za-z\d]{20,100}|r8_[A-Za-z\d]{30,50}",
    rf"xai-\w{{20,200}}|pplx-[A-Za-z\d]{{30,80}}|nvapi-{WORD}{{30,100}}|ntn_[A-Za-z\d]{{40,50}}|lin_api_\w{{20,60}}",
    rf"pypi-{WORD}{{30,400}}|dop_v1_[a-f\d]{{40,80}}|dckr_pat_{WORD}{{20,60}}|ATATT3{WORD}{{20,400}}=?",
    rf"SG\.{WORD}{{10,40}}\.{WORD}{{20,80}}|key-[a-f\d]{{32}}(?!\w)|(?:SK|AC)[a-f\d]{{32}}(?!\w)",  # of senders of mail
    rf"shp(?:at|ca|pa|ss)_[a-fA-F\d]{{32}}|sq0(?:atp|csp|idp)-{WORD}{{20,60}}|EAA[A-Za-z\d]{{50,300}}",
    rf"\d{{8,10}}:[A-Za-z\d_]{WORD}{{32,40}}|[MNO][\w-]{{23,26}}\.{WORD}{{6}}\.{WORD}{{27,40}}",  # Telegram, Discord
    rf"hv[sbr]\.{WORD}{{20,300}}|secret_[A-Za-z\d]{{40,50}}|AGE-SECRET-KEY-1[A-Z\d]{{50,60}}|PMAK-{WORD}{{40,80}}",
    rf"tvly-{WORD}{{20,60}}|lsv2_(?:pt|sk)_\w{{30,100}}|sbp_[a-f\d]{{40}}|figd_{WORD}{{30,60}}|nfp_[A-Za-z\d]{{30,50}}",
    r"csk-[a-z\d]{40,60}|jina_[A-Za-z\d]{40,80}|do[or]_v1_[a-f\d]{40,80}|ABSK[A-Za-z\d+/]{60,200}={0,2}",
    r"glsa_\w{30,60}|NRAK-[A-Z\d]{20,40}|dapi[a-f\d]{32}|sntry[su]_[\w=+/.-]{30,300}",
    r"orca_[a-z\d]{12}_[\w-]{20,100}",  # this product's
    rf"(?<!-)eyJ{WORD}{{5,4000}}\.eyJ{WORD}{{5,8000}}\.{WORD}{{0,2000}}",  # JSON web tokens, signed
    rf"(?<!-)eyJ{WORD}{{15,4000}}\.{WORD}{{0,2000}}\.{WORD}{{5,200}}\.{WORD}{{5,8000}}\.{WORD}{{10,200}}",  # encrypted
)
TOKEN = re.compile(rf"(?<![A-Za-z\d_])(?:{'|'.join(FORMS)})")
PEM = re.compile(r"-----BEGIN (?P<what>[A-Z\d ]{2,60})-----")
PEM_BODY = re.compile(r"[A-Za-z\d+/=:\s,-]*")
LONGEST_PEM = 20_000
CONNECTION = re.compile(
    rf"{FREE_BEFORE}(?<![+.-])[A-Za-z][A-Za-z\d+.-]{{1,30}}:(?:[A-Za-z]{{2,20}}:)?//"
    r"[^\s\"'<>/@:]{0,255}:[^\s\"'<>/]{1,500}@[^\s\"'<>,;)\]}\u3000-\u303f]{1,500}"
)
STEMS = ("pass", "kennwort", "contrase", "pwd", "secret", "key", "token")
"""One of these is in every name of a setting."""
LEAST_CHARACTERS = 16
"""Without a space, of every token."""
NAME = re.compile(
    r"(?:password|passwd|passwort|passphrase|kennwort|contraseña|pwd|secret|api[_-]?key|access[_-]?key|account[_-]?key"
    r"|private[_-]?key|encryption[_-]?key|signing[_-]?key"
    r"|(?:auth|access|refresh|bearer|session|security|id|csrf|bot|api|user)[_-]?token)"
    r"(?:[_-]?(?:access[_-]?key|key|id|value|token))?[\"']{0,2} {0,3}(?:=>|:=|=|:)[ \n]{0,3}",
    re.IGNORECASE,
)
QUOTED = re.compile(r"(?P<quote>[\"'])(?P<value>[^\"'\n]{4,500})(?P=quote)")
UNQUOTED = re.compile(r"(?P<value>[^\s\"'<>;,&(){}\[\]`$]{4,500})")
EXPRESSION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[%$].*|[.…*x]+|/[\w/.-]*|.*\{.*\}.*")
"""Code, a variable of a template or a shell, dots, a path: no secret."""
STOPS = ".,:\u3001\u3002\uff0c"
CALLED = ("(", "[", "{")
HEADER = re.compile(r"(?<!\w)(?:Bearer|Basic|Token|ApiKey) +(?P<value>[\w.~+/=-]{16,4000})", re.IGNORECASE)
SIGNATURE = re.compile(
    r"[?&](?:sig|signature|token|key|code|X-Amz-Signature|X-Amz-Security-Token)=(?P<value>[\w%.~+/=-]{16,2000})", re.I
)


def secrets_in(text: str) -> Iterator[Span]:
    """Where secrets are in a plain text."""
    yield from _pem_blocks(text)
    if "://" in text:
        yield from (match.span() for match in CONNECTION.finditer(text) if _is_secret(match[0]))
    if max(map(len, text.split()), default=0) >= LEAST_CHARACTERS:
        yield from (match.span() for match in TOKEN.finditer(text))
        for pattern in (HEADER, SIGNATURE):
            for match in pattern.finditer(text):
                if _has_digit(match["value"]):
                    yield match.span("value")
    if "=" in text or ":" in text:
        folded = text.casefold()
        if any(stem in folded for stem in STEMS):
            yield from _settings(text)


def _pem_blocks(text: str) -> Iterator[Span]:
    position = 0
    while begin := PEM.search(text, position):
        end = f"-----END {begin['what']}-----"
        place = text.find(end, begin.end(), begin.end() + LONGEST_PEM)
        if place < 0:  # it was cut: all that looks like it
            body = PEM_BODY.match(text, begin.end(), begin.end() + LONGEST_PEM)
            position = body.end() if body else begin.end()
        else:
            position = place + len(end)
        yield begin.start(), position


def _settings(text: str) -> Iterator[Span]:
    """Values of settings that are called password, key or token."""
    for name in NAME.finditer(text):
        quoted = QUOTED.match(text, name.end())
        value = quoted or UNQUOTED.match(text, name.end())
        if value is None or text[value.end() : value.end() + 1] in CALLED:
            continue
        start, end = value.span("value")
        if quoted is None:
            end = start + len(text[start:end].rstrip(STOPS))
        if _is_value(text[start:end], sure=quoted is not None or text[name.end() - 1] == "="):
            yield start, end


def _is_value(value: str, *, sure: bool) -> bool:
    """After a colon a word is more likely prose than a password."""
    if EXPRESSION.fullmatch(value) or value.lower() in {"true", "false", "null", "none", "required", "string"}:
        return False
    return sure or _has_digit(value) or not value.isalpha()


def _is_secret(connection: str) -> bool:
    """Whether its password is one, not a variable in its place."""
    password = connection.partition("://")[2].partition(":")[2].rpartition("@")[0]
    return EXPRESSION.fullmatch(password) is None


def _has_digit(value: str) -> bool:
    return any(map(str.isdigit, value))
