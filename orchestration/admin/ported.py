"""Pages of rows that go in and out as files, where the console is installed; elsewhere the same pages without that."""

from typing import TYPE_CHECKING

from orchestration.theme.installed import has_console
from orchestration.theme.parts import ModelAdmin

if TYPE_CHECKING or has_console():
    from orchestration.admin.import_export import PortedPrices as PortedPrices
    from orchestration.admin.import_export import PortedPrompts as PortedPrompts
else:
    PortedPrices = PortedPrompts = ModelAdmin
