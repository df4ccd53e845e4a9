"""Identity of the consensus components."""

from orchestration.identity import DjangoIdentityMixin


class ConsensusMixin(DjangoIdentityMixin):
    namespace = "consensus"
    group = "review"
