"""What the pages of the admin are built from: unfold where the project has the console, else Django's own admin.

Pages import it from here, and their code is the same in both themes.
"""

from typing import TYPE_CHECKING

from orchestration.theme.installed import has_console

if TYPE_CHECKING or has_console():
    from unfold.admin import ModelAdmin as ModelAdmin
    from unfold.admin import TabularInline as TabularInline
    from unfold.contrib.filters.admin import DropdownFilter as DropdownFilter
    from unfold.contrib.filters.admin import RangeDateTimeFilter as RangeDateTimeFilter
    from unfold.contrib.filters.admin import TextFilter as TextFilter
    from unfold.decorators import action as action
    from unfold.decorators import display as display
    from unfold.paginator import InfinitePaginator as InfinitePaginator
    from unfold.views import ChangeList as ChangeList
    from unfold.widgets import UnfoldAdminDecimalFieldWidget as DecimalWidget
    from unfold.widgets import UnfoldAdminSelectWidget as SelectWidget
    from unfold.widgets import UnfoldAdminTextareaWidget as TextareaWidget
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInputWidget
    from unfold.widgets import UnfoldBooleanWidget as BooleanWidget
else:
    from django.contrib.admin import TabularInline as TabularInline
    from django.contrib.admin import action as action
    from django.contrib.admin.views.main import ChangeList as ChangeList
    from django.forms import CheckboxInput as BooleanWidget
    from django.forms import NumberInput as DecimalWidget
    from django.forms import Select as SelectWidget
    from django.forms import TextInput as TextInputWidget

    from orchestration.theme.plain import ChoiceFilter as DropdownFilter
    from orchestration.theme.plain import CountedPaginator as InfinitePaginator
    from orchestration.theme.plain import MomentRangeFilter as RangeDateTimeFilter
    from orchestration.theme.plain import StyledAdmin as ModelAdmin
    from orchestration.theme.plain import TextareaWidget as TextareaWidget
    from orchestration.theme.plain import TextFilter as TextFilter
    from orchestration.theme.plain import display as display

__all__ = [
    "BooleanWidget",
    "ChangeList",
    "DecimalWidget",
    "DropdownFilter",
    "InfinitePaginator",
    "ModelAdmin",
    "RangeDateTimeFilter",
    "SelectWidget",
    "TabularInline",
    "TextFilter",
    "TextInputWidget",
    "TextareaWidget",
    "action",
    "display",
]
