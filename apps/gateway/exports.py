"""The export of interactions: figures only. Prompts and answers stay encrypted in the database."""

from __future__ import annotations

from import_export.resources import ModelResource

from apps.gateway.models import Interaction
from persistence.exports.registry import Exporter, add_exporter


class InteractionResource(ModelResource):
    """One row for each request that reached the gateway."""

    class Meta:
        model = Interaction
        fields = (
            *("id", "request_id", "user_id", "api_key_id", "endpoint", "model", "answered_by", "provider", "status"),
            *("http_status", "error_code", "streamed", "cache_hit", "cache_kind", "prompt_tokens", "response_tokens"),
            *(
                "cached_tokens",
                "embedding_tokens",
                "tokens_estimated",
                "estimated",
                "cost",
                "latency_ms",
                "first_token_ms",
            ),
            *("compression", "tokens_saved", "masked", "timestamp", "client", "route_reason"),
        )
        export_order = fields


INTERACTIONS = add_exporter(
    Exporter(
        name="interactions",
        model=Interaction,
        permission="gateway.view_interaction",
        resource=InteractionResource,
    )
)
