"""What LangChain's ChatOpenAI gets from a gateway, printed as JSON; run in the clients' own environment."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

PLACE = {"base_url": os.environ["BASE_URL"], "api_key": os.environ["API_KEY"], "max_retries": 0, "timeout": 20}


class Patient(BaseModel):
    """A patient."""

    name: str
    age: int


def main() -> None:
    model = ChatOpenAI(model="gpt-4o-mini", temperature=0, **PLACE)
    answer = model.invoke("Hello")
    chunks = list(model.stream("Hello"))
    batch = asyncio.run(model.abatch(["Hello", "Hello"]))
    structured = model.with_structured_output(Patient, method="json_schema").invoke("Hello")
    # Without its own tokenizer, which would want to download data.
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False, **PLACE)
    found = {
        "text": answer.content,
        "usage": answer.usage_metadata["total_tokens"],
        "streamed": "".join(chunk.content for chunk in chunks),
        "pieces": len(chunks),
        "batch": [each.content for each in batch],
        "structured": isinstance(structured, Patient),
        "vector": len(embeddings.embed_query("one")),
    }
    json.dump(found, sys.stdout)


main()
