"""No queue, nothing stored: one loop over `litellm.aresponses`. `… litellm_loop URL CALLS CONCURRENCY`."""

from __future__ import annotations

import asyncio
import json
import sys

import litellm

from benchmarks.peers.asking import read, request
from benchmarks.peers.bare_loop import ask_all


async def main(url: str, calls: int, concurrency: int) -> None:
    async def ask(number: int) -> object:
        body = request(number)
        answer = await litellm.aresponses(**body | {"model": f"openai/{body['model']}"}, api_base=url, api_key="none")
        return read(answer.output[0].content[0].text)

    print(json.dumps(await ask_all(ask, calls, concurrency)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
