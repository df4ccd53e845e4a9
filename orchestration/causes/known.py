"""What is known of the codes that calls fail with: in a sentence, what helps, and where that is done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """Where a cause is mended, by what pages link to."""

    PROMPTS = "prompts"
    SCHEMAS = "schemas"
    LIMITS = "limits"
    CIRCUITS = "circuits"
    APPROVALS = "approvals"
    PAUSES = "pauses"
    WORKERS = "workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A code."""

    said: str
    remedy: str
    places: tuple[Place, ...] = ()
    differs: str = ""
    """What such a call differs in from those that went well: `size` of the request, or `fields` of the answer."""


KNOWN = {
    "provider_auth": Known(
        said="The provider rejected the API key",
        remedy="Put a valid key into the variable that the client names, restart the workers, then retry. Until then a"
        " pause of the client's models keeps calls from failing one by one.",
        places=(Place.PAUSES,),
    ),
    "provider_key_missing": Known(
        said="No API key is set for the provider",
        remedy="Set the variable that the message names on every node, restart the workers, then retry.",
        places=(Place.PAUSES,),
    ),
    "provider_key_invalid": Known(
        said="The API key cannot be sent",
        remedy="It has characters that no header may have, a line break perhaps. Set it again, then retry.",
        places=(Place.PAUSES,),
    ),
    "provider_token_failed": Known(
        said="No token for the provider could be obtained",
        remedy="Look at the identity that the workers run as, and whether it may use the model; then retry.",
        places=(Place.PAUSES,),
    ),
    "provider_forbidden": Known(
        said="The API key may not do this",
        remedy="Allow the key to use this model, or use another key or model; then retry.",
        places=(Place.PAUSES,),
    ),
    "insufficient_quota": Known(
        said="The provider's quota is used up, or it waits for a payment",
        remedy="Raise the quota or pay; until then pause the client's models, so that no call uses up its attempts.",
        places=(Place.PAUSES,),
    ),
    "model_not_found": Known(
        said="The provider does not have this model at this address",
        remedy="Correct the model in ORCA_CONFIG or in the service, restart, then retry; or rerun with another model.",
        places=(Place.PAUSES,),
    ),
    "rate_limited": Known(
        said="The provider's rate limit is exceeded",
        remedy="It is tried again by itself. If it happens often, set a limit for the model, a little below what the"
        " provider allows, so that calls wait here instead of failing there.",
        places=(Place.LIMITS,),
    ),
    "provider_unavailable": Known(
        said="The provider failed",
        remedy="It is tried again by itself, and the circuit opens when it continues. If it lasts, pause the model or"
        " rerun with another one; retry when the provider answers again.",
        places=(Place.CIRCUITS, Place.PAUSES),
    ),
    "provider_conflict": Known(
        said="The provider reported a conflict",
        remedy="It is tried again by itself; retry the calls that are left.",
        places=(Place.CIRCUITS,),
    ),
    "provider_error": Known(
        said="The provider did not answer as asked",
        remedy="Look at the last attempt, then retry.",
        places=(Place.CIRCUITS,),
        differs="size",
    ),
    "connection_error": Known(
        said="There was no connection to the provider, or it broke",
        remedy="Look at the network, the proxy and the address of the client; `manage.py ai_healthcheck` tries it.",
        places=(Place.CIRCUITS,),
    ),
    "timeout": Known(
        said="No answer came in time",
        remedy="If one call is longer than the others, shorten its request or give its service more time; if all are,"
        " the provider is slow: wait, or rerun with another model.",
        places=(Place.CIRCUITS,),
        differs="size",
    ),
    "malformed_response": Known(
        said="What the provider sent is not a response",
        remedy="It is tried again by itself. If it stays, look at the raw answer: a proxy in between, perhaps.",
        places=(Place.CIRCUITS,),
    ),
    "bad_request": Known(
        said="The provider refused the request",
        remedy="The provider's words name what it did not accept: often a request that is too long for the model, or a"
        " parameter that the model does not know. Correct the prompt, the parameters or the model, then retry.",
        places=(Place.PROMPTS,),
        differs="size",
    ),
    "content_not_supported": Known(
        said="The provider cannot take an image, audio or file of the message",
        remedy="Use a client whose API takes it, or another format; docs/content.md has a table. Then retry.",
        places=(Place.PAUSES,),
    ),
    "content_too_large": Known(
        said="The images, audio and files of the request are too large together",
        remedy="Show the model less at a time, or raise MAX_REQUEST_CONTENT_BYTES as far as the provider goes.",
        places=(Place.PROMPTS,),
        differs="size",
    ),
    "content_unavailable": Known(
        said="The storage did not give an image, audio or file of the message",
        remedy="Look at the storage that CONTENT_STORAGE names, and at what the workers may read there; then retry.",
    ),
    "content_lost": Known(
        said="The storage lost an image, audio or file of the message",
        remedy="Bring it back from a backup, or submit the call again with the file.",
    ),
    "capability_missing": Known(
        said="The client cannot do what the service asks for",
        remedy="Choose another client or model for the service, or do without what the message names.",
        places=(Place.PAUSES,),
    ),
    "schema_not_supported": Known(
        said="The provider cannot express the service's schema",
        remedy="Simplify the schema as the message says, or choose another client.",
        places=(Place.SCHEMAS,),
    ),
    "content_filter": Known(
        said="The provider's content filter withheld the answer",
        remedy="Retrying rarely helps. Look at what was sent; change the prompt, or rerun with another model.",
        places=(Place.PROMPTS,),
    ),
    "refused": Known(
        said="The model refused to answer",
        remedy="Look at what was sent and at the model's words; change the prompt, then rerun.",
        places=(Place.PROMPTS,),
    ),
    "truncated": Known(
        said="The answer was cut off before its end",
        remedy="Allow more output tokens in the service's parameters, or ask for less; then retry.",
        places=(Place.PROMPTS,),
        differs="size",
    ),
    "invalid_output": Known(
        said="The answer does not fit the schema, and neither did its repair",
        remedy="If the model errs, say in the prompt what its fields want; if the schema asks too much, relax it."
        " Then retry.",
        places=(Place.PROMPTS, Place.SCHEMAS),
        differs="fields",
    ),
    "unexpected_tool_call": Known(
        said="The model asked only for tools that its service does not let the engine run",
        remedy="List the tool in the service's `tools`, or say in the prompt to answer; then retry.",
        places=(Place.PROMPTS,),
    ),
    "approval_needed": Known(
        said="A tool needs approval, and the caller waited for the call",
        remedy="Enqueue such calls instead of executing them: then they wait in the queue until somebody decides.",
        places=(Place.PROMPTS,),
    ),
    "waits_for_approval": Known(
        said="A tool that the model asked for waits for approval",
        remedy="Approve or reject it among the approvals; then the call continues by itself.",
        places=(Place.APPROVALS,),
    ),
    "newer_version": Known(
        said="Only a newer version of the application can continue it",
        remedy="Finish the deployment: it continues by itself as soon as a worker of that version is free.",
        places=(Place.WORKERS,),
    ),
    "tool_limit": Known(
        said="The model asked for more than the limits of the service's tools allow",
        remedy="Look at what the tools returned: a model that repeats itself was often told too little. Correct the"
        " tool or the prompt, or raise the service's `tool_limits`; then retry.",
        places=(Place.PROMPTS,),
    ),
    "prompt_failed": Known(
        said="The prompt could not be rendered, so nothing was sent",
        remedy="The message names the section or the variable. Correct it (the section, its text, or the context that"
        " callers give), then retry: nothing was paid.",
        places=(Place.PROMPTS,),
    ),
    "not_storable": Known(
        said="The database refused to store the result",
        remedy="The message names the value. Look at the raw answer; change the schema or the prompt, then retry.",
        places=(Place.SCHEMAS,),
    ),
    "poisoned": Known(
        said="Too many workers died while they ran it",
        remedy="Look into the system's log at these times (memory, a crash in a library), fix it, then retry one.",
        places=(Place.WORKERS,),
    ),
    "unreadable": Known(
        said="What is stored in the row cannot be read, so it was set aside",
        remedy="Correct the columns that the message names, then retry.",
    ),
    "internal_error": Known(
        said="The engine failed, not the provider",
        remedy="The log of the worker has the traceback, by the id of the call. Fix it, then retry.",
        places=(Place.WORKERS,),
    ),
    "component_not_found": Known(
        said="Its service is not in this project any longer",
        remedy="Deploy the code that has it, then retry; or cancel what is left.",
        places=(Place.SCHEMAS,),
    ),
    "not_configured": Known(
        said="Something is not configured",
        remedy="Set what the message names, restart, then retry. Until then, a pause keeps calls from failing one by"
        " one.",
        places=(Place.PAUSES,),
    ),
    "paid_requests_forbidden": Known(
        said="Paid requests are switched off here", remedy="Switch them on, or use the simulated client; then retry."
    ),
    "cancelled": Known(said="Somebody cancelled it", remedy="Retry it, if it should run after all."),
}
KNOWN["unknown_service"] = KNOWN["component_not_found"]
UNKNOWN = Known(
    said="Its service raised an error of its own",
    remedy="Look at the message and at the service's code, fix it, then retry.",
)


def known(code: str) -> Known:
    """What is known of a code; UNKNOWN for those of the services themselves."""
    return KNOWN.get(code, UNKNOWN)
