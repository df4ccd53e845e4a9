"""Pages with import and export where the console is installed; elsewhere the same pages without them."""

from typing import TYPE_CHECKING

from orchestration.theme.installed import has_console
from orchestration.theme.parts import ModelAdmin

if TYPE_CHECKING or has_console():
    from orchestration.admin.import_export import PortedPrices as PortedPrices
    from orchestration.admin.import_export import PortedPrompts as PortedPrompts
else:
    PortedPrices = PortedPrompts = ModelAdmin
