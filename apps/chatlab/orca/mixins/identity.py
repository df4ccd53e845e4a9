"""The namespace of the chat's components."""

from orchestration.components import DjangoIdentityMixin


class ChatlabMixin(DjangoIdentityMixin):
    namespace = "chatlab"
