"""What a framework for Python gets from a gateway, printed as JSON: `python frameworks.py NAME`, in the environment
that has it.

Environment: BASE_URL, API_KEY, PROVIDER_URL (of the simulated provider, to tell it what to answer).
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

MODEL = "gpt-4o-mini"
BASE_URL, API_KEY = os.environ["BASE_URL"], os.environ["API_KEY"]
HELLO = [{"role": "user", "content": "Hello"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}


class Patient(BaseModel):
    """A patient."""

    name: str
    age: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


def script(*faults: dict[str, Any]) -> None:
    """Tell the provider what to do with the next requests."""
    url = os.environ["PROVIDER_URL"].removesuffix("/v1") + "/_script"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(faults).encode(), method="POST")).close()


def call_tool() -> None:
    script({"kind": "tool_call", "data": {"name": "get_weather", "arguments": {"city": "Oslo"}}})


def failure(ask: Callable[[], Any]) -> Any:
    """The status of the error that a client makes of a provider's 400."""
    script({"kind": "bad_request"})
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - each client has classes of its own, some of which wrap the others'
        found: Any = error
        while found is not None and not hasattr(found, "status_code"):
            found = found.__cause__
        return None if found is None else found.status_code
    return "nothing"


def litellm() -> dict[str, Any]:
    library = importlib.import_module("litellm")
    library.suppress_debug_info = True
    options = {
        "model": f"openai/{MODEL}",
        "messages": HELLO,
        "api_base": BASE_URL,
        "api_key": API_KEY,
        "max_retries": 0,
    }
    answer = library.completion(**options)
    chunks = list(library.completion(**options, stream=True))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    call_tool()
    called = library.completion(**options, tools=[WEATHER]).choices[0].message.tool_calls
    return {
        "text": answer.choices[0].message.content,
        "usage": answer.usage.total_tokens,
        "streamed": "".join(pieces),
        "pieces": len(pieces),
        "called": [[each.function.name, json.loads(each.function.arguments)] for each in called],
        "error": failure(lambda: library.completion(**options)),
    }


def pydantic_ai() -> dict[str, Any]:
    library = importlib.import_module("pydantic_ai")
    models = importlib.import_module("pydantic_ai.models.openai")
    providers = importlib.import_module("pydantic_ai.providers.openai")
    model = models.OpenAIChatModel(MODEL, provider=providers.OpenAIProvider(base_url=BASE_URL, api_key=API_KEY))
    agent = library.Agent(model)
    answer = agent.run_sync("Hello")
    streamed = asyncio.run(_pydantic_ai_stream(agent))
    call_tool()
    calling = library.Agent(model, tools=[get_weather]).run_sync("Hello")
    parts = [part for message in calling.all_messages() for part in message.parts if part.part_kind == "tool-call"]
    return {
        "text": answer.output,
        "usage": answer.usage.total_tokens if not callable(answer.usage) else answer.usage().total_tokens,
        "streamed": "".join(streamed),
        "pieces": len(streamed),
        "called": [[part.tool_name, part.args_as_dict()] for part in parts],
        "error": failure(lambda: agent.run_sync("Hello")),
    }


async def _pydantic_ai_stream(agent: Any) -> list[str]:
    async with agent.run_stream("Hello") as stream:
        return [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]


def openai_agents() -> dict[str, Any]:
    return asyncio.run(_openai_agents())


async def _openai_agents() -> dict[str, Any]:
    library = importlib.import_module("agents")
    client = importlib.import_module("openai").AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
    library.set_tracing_disabled(True)
    model = library.OpenAIResponsesModel(model=MODEL, openai_client=client)
    agent = library.Agent(name="test", model=model)
    answer = await library.Runner.run(agent, "Hello")
    stream = library.Runner.run_streamed(agent, "Hello")
    events = [event.data async for event in stream.stream_events() if event.type == "raw_response_event"]
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    call_tool()
    calling = library.Agent(name="test", model=model, tools=[library.function_tool(get_weather)])
    done = await library.Runner.run(calling, "Hello")
    calls = [item.raw_item for item in done.new_items if item.type == "tool_call_item"]
    script({"kind": "bad_request"})
    try:
        await library.Runner.run(agent, "Hello")
    except importlib.import_module("openai").APIStatusError as error:
        status = error.status_code
    return {
        "text": answer.final_output,
        "usage": answer.context_wrapper.usage.total_tokens,
        "streamed": "".join(pieces),
        "pieces": len(pieces),
        "called": [[each.name, json.loads(each.arguments)] for each in calls],
        "error": status,
    }


def instructor() -> dict[str, Any]:
    """A library for structured answers: what it calls a tool is the answer's schema."""
    library = importlib.import_module("instructor")
    client = importlib.import_module("openai").OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
    asking = library.from_openai(client, mode=library.Mode.TOOLS)
    options = {"model": MODEL, "messages": HELLO, "max_retries": 0, "response_model": Patient}
    patient = {"name": "Ada", "age": 36}
    called = {"kind": "tool_call", "data": {"name": "Patient", "arguments": patient}}
    script(called)
    answer, completion = asking.chat.completions.create_with_completion(**options)
    script(called)
    pieces = list(asking.chat.completions.create_partial(**options))
    calls = completion.choices[0].message.tool_calls
    return {
        "text": answer.model_dump_json(),
        "usage": completion.usage.total_tokens,
        "streamed": Patient(**pieces[-1].model_dump()).model_dump_json(),
        "pieces": len(pieces),
        "called": [[each.function.name, json.loads(each.function.arguments)] for each in calls],
        "error": failure(lambda: asking.chat.completions.create(**options)),
    }


def llama_index() -> dict[str, Any]:
    library = importlib.import_module("llama_index.llms.openai")
    tools = importlib.import_module("llama_index.core.tools")
    model = library.OpenAI(model=MODEL, api_base=BASE_URL, api_key=API_KEY, max_retries=0)
    answer = model.complete("Hello")
    pieces = [piece.delta or "" for piece in model.stream_complete("Hello")]
    call_tool()
    calling = model.chat_with_tools([tools.FunctionTool.from_defaults(get_weather)], user_msg="Hello")
    calls = model.get_tool_calls_from_response(calling)
    return {
        "text": answer.text,
        "usage": answer.raw.usage.total_tokens,
        "streamed": "".join(pieces),
        "pieces": len(pieces),
        "called": [[each.tool_name, each.tool_kwargs] for each in calls],
        "error": failure(lambda: model.complete("Hello")),
    }


CLIENTS = {each.__name__: each for each in (litellm, pydantic_ai, openai_agents, instructor, llama_index)}
json.dump({name: CLIENTS[name]() for name in sys.argv[1:]}, sys.stdout)
