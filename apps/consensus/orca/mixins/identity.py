"""The namespace and group of the consensus components."""

from orchestration.components import DjangoIdentityMixin


class ConsensusMixin(DjangoIdentityMixin):
    namespace = "consensus"
    group = "review"
