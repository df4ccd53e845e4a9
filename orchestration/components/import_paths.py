"""Imports objects that settings name as `"module:attribute"`."""

from __future__ import annotations

import importlib
import re
from typing import Any

from orchestration.errors import NotConfigured


def import_named(path: object, *, setting: str, example: str) -> Any:
    """The object; NotConfigured names the setting and says what is wrong with the path."""
    if not isinstance(path, str) or not re.fullmatch(r"\w+(?:\.\w+)*:\w+", path):
        raise NotConfigured(f'{setting} must be "module:function", such as "{example}", not {path!r}.')
    module_name, _, attribute = path.partition(":")
    try:
        return vars(importlib.import_module(module_name))[attribute]
    except ImportError as error:
        raise NotConfigured(f"{setting}: {module_name} cannot be imported: {error}") from error
    except KeyError:
        raise NotConfigured(f"{setting}: {module_name} has no {attribute!r}.") from None
