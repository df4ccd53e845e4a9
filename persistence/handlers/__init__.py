"""What authors write to turn an answer into objects: handlers, codecs and upgrades of stored schemas."""

from persistence.handlers.base import BasePersistenceHandler, Part, persistence_handler
from persistence.handlers.codecs import DjangoBaseCodec, codec
from persistence.handlers.schema_upgrades import upgrade

__all__ = ["BasePersistenceHandler", "DjangoBaseCodec", "Part", "codec", "persistence_handler", "upgrade"]
