"""How many tokens a text is: counted with tiktoken when its data is on this machine, estimated otherwise.

tiktoken downloads its data when it does not find it. A request must never wait for that, so only data that is already
in tiktoken's cache folder (TIKTOKEN_CACHE_DIR), whole and unchanged, is used.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import tiktoken
from tiktoken.model import encoding_name_for_model

DATA = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
"""The encodings of chat models, with the digests that tiktoken expects of their data."""
NEWEST = "o200k_base"
PIECE = re.compile(r"[A-Za-z]+|[0-9]{1,3}|[^\W\d_]+|[^\w\s]{1,3}|_+|\n+|[^\S\n]{2,}")
LETTERS_PER_TOKEN = 8
LONGEST = 50_000
"""Characters counted at once: the tokenizer's stack overflows on a megabyte of blanks, and searching a megabyte holds
the interpreter. A cut costs a token at most."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """A number of tokens; `estimated` when no tokenizer counted them."""

    tokens: int
    estimated: bool


def count(text: str, model: str = "") -> TokenCount:
    """The tokens of a text for `model`; an unknown model is counted like OpenAI's newest."""
    encoding = encoding_of(model)
    if encoding is None:
        return TokenCount(estimate(text), estimated=True)
    parts = (text[start : start + LONGEST] for start in range(0, len(text), LONGEST))
    return TokenCount(sum(len(encoding.encode_ordinary(part)) for part in parts), estimated=False)


def estimate(text: str) -> int:
    """A guess from words and signs, within about 15 % on English prose; scripts without spaces count by character."""
    parts = (text[start : start + LONGEST] for start in range(0, len(text), LONGEST))  # other threads run in between
    return sum(_piece_tokens(piece) for part in parts for piece in PIECE.findall(part))


def _piece_tokens(piece: str) -> int:
    if piece.isascii():
        return -(-len(piece) // LETTERS_PER_TOKEN)
    return -(-len(piece.encode(errors="surrogatepass")) // 4)


@lru_cache(maxsize=256)
def encoding_of(model: str) -> tiktoken.Encoding | None:
    """The model's tokenizer; None when its data is not here. Loading takes about a second, once per process."""
    try:
        name = encoding_name_for_model(model)
    except KeyError:
        name = NEWEST
    return _encoding(name)


@lru_cache(maxsize=len(SHA256))
def _encoding(name: str) -> tiktoken.Encoding | None:
    return tiktoken.get_encoding(name) if name in SHA256 and _has_data(name) else None


def _has_data(name: str) -> bool:
    """Whether tiktoken has the complete data of an encoding in its cache, so that it downloads nothing."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder is None:
        folder = str(Path(tempfile.gettempdir()) / "data-gym-cache")
    if not folder:
        return False
    path = Path(folder) / hashlib.sha1(DATA.format(name=name).encode(), usedforsecurity=False).hexdigest()
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[name]
