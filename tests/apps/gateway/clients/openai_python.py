"""What `openai` for Python gets from a gateway, printed as JSON; run in the clients' own environment.

Environment: BASE_URL, API_KEY, PROVIDER_URL (of the simulated provider, to tell it what to answer).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from typing import Any

import openai
from pydantic import BaseModel

MODEL = "gpt-4o-mini"
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALLS_WEATHER = {"kind": "tool_call", "data": {"name": "get_weather", "arguments": {"city": "Oslo"}}}


class Patient(BaseModel):
    name: str
    age: int
    allergies: list[str]


def client(**options: Any) -> openai.OpenAI:
    settings = {"base_url": os.environ["BASE_URL"], "api_key": os.environ["API_KEY"], "max_retries": 0, "timeout": 20}
    return openai.OpenAI(**(settings | options))


def script(*faults: dict[str, Any]) -> None:
    """Tell the provider what to do with the next requests."""
    url = os.environ["PROVIDER_URL"].removesuffix("/v1") + "/_script"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(faults).encode(), method="POST")).close()


def chat() -> dict[str, Any]:
    answer = client().chat.completions.create(model=MODEL, messages=HELLO, temperature=0, seed=1)
    said = []
    with client().chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    return {
        "text": answer.choices[0].message.content,
        "usage": answer.usage.total_tokens,
        "request_id": answer._request_id,
        "streamed": "".join(said),
        "pieces": len(said),
        "streamed_usage": chunks[-1].usage.total_tokens,
    }


async def asynchronous() -> dict[str, Any]:
    settings = {"base_url": os.environ["BASE_URL"], "api_key": os.environ["API_KEY"], "max_retries": 0}
    async with openai.AsyncOpenAI(**settings) as caller:
        answers = await asyncio.gather(*(caller.chat.completions.create(model=MODEL, messages=HELLO) for _ in range(5)))
        stream = await caller.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        streamed = [chunk.choices[0].delta.content or "" async for chunk in stream]
        models = [model.id async for model in caller.models.list()]
    return {
        "texts": sorted({answer.choices[0].message.content for answer in answers}),
        "streamed": "".join(streamed),
        "models": models,
    }


def tools() -> dict[str, Any]:
    script(CALLS_WEATHER)
    first = client().chat.completions.create(model=MODEL, messages=HELLO, tools=[WEATHER]).choices[0]
    call = first.message.tool_calls[0]
    told = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    second = client().chat.completions.create(model=MODEL, messages=[*HELLO, first.message, told], tools=[WEATHER])
    script(CALLS_WEATHER)
    with client().chat.completions.stream(model=MODEL, messages=HELLO, tools=[WEATHER]) as stream:
        streamed = stream.get_final_completion().choices[0]
    return {
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "finish_reason": first.finish_reason,
        "then": second.choices[0].message.content,
        "streamed": json.loads(streamed.message.tool_calls[0].function.arguments),
        "streamed_finish_reason": streamed.finish_reason,
    }


def structured() -> dict[str, Any]:
    parsed = client().chat.completions.parse(model=MODEL, messages=HELLO, response_format=Patient)
    with client().chat.completions.stream(model=MODEL, messages=HELLO, response_format=Patient) as stream:
        streamed = stream.get_final_completion()
    script({"kind": "refusal"})
    refused = client().chat.completions.parse(model=MODEL, messages=HELLO, response_format=Patient)
    return {
        "parsed": isinstance(parsed.choices[0].message.parsed, Patient),
        "streamed": isinstance(streamed.choices[0].message.parsed, Patient),
        "refusal": refused.choices[0].message.refusal,
    }


def embeddings() -> dict[str, Any]:
    made = client().embeddings.create(model="text-embedding-3-small", input=["one", "two"], dimensions=16)
    return {"vectors": [len(each.embedding) for each in made.data], "tokens": made.usage.total_tokens}


def errors() -> dict[str, Any]:
    """The SDK's class, status and code of each failure."""

    def failed(**options: Any) -> list[Any]:
        asked = {"model": MODEL, "messages": HELLO} | options.pop("asked", {})
        try:
            client(**options).chat.completions.create(**asked)
        except openai.APIStatusError as error:
            return [type(error).__name__, error.status_code, error.code, error.type]
        except openai.APIError as error:
            return [type(error).__name__]
        return ["nothing"]

    found = {
        "key": failed(api_key="orca_aaaaaaaaaaaa_wrong"),
        "model": failed(asked={"model": "of-somebody-else"}),
        "messages": failed(asked={"messages": []}),
    }
    for kind in ("bad_request", "rate_limit", "quota", "server_error", "unavailable"):
        script({"kind": kind})
        found[kind] = failed()
    script({"kind": "hang"})
    found["hang"] = failed(timeout=0.5)
    script()
    return found


def retries() -> dict[str, Any]:
    """The SDK tries again by itself, as it does with the provider."""
    script({"kind": "rate_limit", "retry_after": 0.01}, {"kind": "server_error"})
    answer = client(max_retries=2).chat.completions.create(model=MODEL, messages=HELLO)
    return {"text": answer.choices[0].message.content}


def main() -> None:
    found = {part.__name__: part() for part in (chat, tools, structured, embeddings, errors, retries)}
    found["asynchronous"] = asyncio.run(asynchronous())
    found["version"] = openai.__version__
    json.dump(found, sys.stdout)


main()
