"""The namespace of the chat's components."""

from orchestration.identity import DjangoIdentityMixin


class ChatlabMixin(DjangoIdentityMixin):
    namespace = "chatlab"
