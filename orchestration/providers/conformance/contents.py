"""What every provider makes of images, audio and files: the bytes arrive as they are, or nothing is sent."""

from __future__ import annotations

import hashlib
import struct
import zlib
from base64 import b64encode
from typing import Any

from orchestration.providers.capabilities import Capability
from orchestration.providers.conformance.asking import Asking
from orchestration.providers.content import NEEDED
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from orchestration.providers.turns import asking_turn, identified, result_turn
from orchestration.types import JsonObject, Message
from orchestration.values.media_types import PNG_SIGNATURE

Server = SimulatedProviderServer
URL = "https://files.example.com/a%20file?signature=x%2By"


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int = 2, height: int = 2, shade: int = 0) -> bytes:
    """A PNG in one shade of grey."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes([shade]) * width) * height)
    return PNG_SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


WAV = b"RIFF" + struct.pack("<I", 44) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
WAV += b"data" + struct.pack("<I", 8) + bytes(range(8))
PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) + b"\ntrailer\n<<>>\n%%EOF\n"
SAMPLES = {
    "image": (png(), "image/png", "a picture.png"),
    "audio": (WAV, "audio/wav", ""),
    "file": (PDF, "application/pdf", "Befund Ärztin.pdf"),
}


def sample(kind: str) -> JsonObject:
    """A part with its bytes, as a provider gets it."""
    data, media_type, name = SAMPLES[kind]
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    part = {"part": kind, "content": digest, "media_type": media_type, "size": len(data), "name": name}
    return part | {"data": b64encode(data).decode()}


class Contents(Asking):
    """Images, audio and files; part of the suite."""

    def takes(self, kind: str) -> bool:
        """Whether the provider says that it takes these, and its API too."""
        surface = self.settings.get("surface") or self.cls.surfaces[0]
        return NEEDED[kind] in self.cls.capabilities and bool(self.cls.content_support(surface).media_types.get(kind))

    def test_bytes_arrive_unchanged(self, server: Server) -> None:
        for kind, (data, media_type, _) in SAMPLES.items():
            if not self.takes(kind):
                continue
            self.send(messages=[_says("Look at this:", sample(kind), "What is it?")])
            [came] = server.request_log()[-1]["content"]
            assert (came["kind"], came["media_type"], came["size"]) == (kind, media_type, len(data))
            assert came["sha256"] == hashlib.sha256(data).hexdigest()
            texts = server.simulation.seen[-1].texts
            assert any("Look at this:" in text and "What is it?" in text for text in texts)

    def test_what_it_does_not_take_is_not_sent(self, server: Server) -> None:
        for kind in SAMPLES:
            if not self.takes(kind):
                refused = self.failed(messages=[_says(sample(kind))])
                assert refused.code in {"capability_missing", "content_not_supported"}
                assert not refused.sent
        tiff = sample("image") | {"media_type": "image/tiff"}
        assert self.failed(messages=[_says(tiff)]).code in {"capability_missing", "content_not_supported"}
        assert server.request_log() == []

    def test_a_url_is_passed_on_or_refused(self, server: Server) -> None:
        support = self.cls.content_support(self.settings.get("surface") or self.cls.surfaces[0])
        for kind in SAMPLES:
            part = {"part": kind, "url": URL, "media_type": SAMPLES[kind][1]}
            if self.takes(kind) and kind in support.urls:
                self.send(messages=[_says("Look:", part)])
                [came] = server.request_log()[-1]["content"]
                assert (came["kind"], came["url"]) == (kind, URL)
            else:
                assert not self.failed(messages=[_says("Look:", part)]).sent

    def test_a_tool_shows_an_image(self, server: Server) -> None:
        if Capability.TOOLS not in self.cls.capabilities or not self.takes("image"):
            return
        server.script([Fault(kind="tool_call", data={"name": "look_up", "arguments": {"id": 7}})])
        asked = [_says("Show me 7.")]
        answer = self.send(messages=asked, tools=[LOOK_UP])
        [call] = identified(answer.tool_calls, 1)
        shown: list[JsonObject] = [{"part": "text", "text": "Number 7:"}, sample("image")]
        turns = [asking_turn("", [call]), result_turn(call, shown)]
        assert self.send(messages=[*asked, *turns, _says("And?")], tools=[LOOK_UP]).text
        [came] = server.request_log()[-1]["content"]
        assert came["sha256"] == hashlib.sha256(SAMPLES["image"][0]).hexdigest()
        assert any("Number 7:" in text for text in server.simulation.seen[-1].tool_results)


LOOK_UP = {
    "type": "function",
    "name": "look_up",
    "description": "Shows something.",
    "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
}


def _says(*content: Any) -> Message:
    parts = [{"part": "text", "text": each} if isinstance(each, str) else each for each in content]
    return {"role": "user", "content": parts}
