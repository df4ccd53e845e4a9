"""Import and export of what operators keep in files: a wrong file is shown row by row and changes nothing."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from import_export.admin import ImportExportMixin
from import_export.resources import ModelResource
from unfold.admin import ModelAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from orchestration.models import ModelPrice, PromptText
from orchestration.spreadsheets import escaped, is_formula, unescaped


class SafeResource(ModelResource):
    """Checked like a form, all rows or none; a cell that a spreadsheet would run is no value."""

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        super().before_import_row(row, **kwargs)  # type: ignore[no-untyped-call]
        for column, value in list(row.items()):
            if not isinstance(value, str):
                continue
            if is_formula(value):
                raise ValidationError({column: "This cell is a formula. Write it as plain text, or leave it out."})
            row[column] = unescaped(value)

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        value = super().export_field(field, instance, **kwargs)  # type: ignore[no-untyped-call]
        return escaped(value) if isinstance(value, str) else value

    class Meta:
        clean_model_instances = True
        use_transactions = True
        skip_unchanged = True
        report_skipped = True


class PriceResource(SafeResource):
    """One row a price; a price is known by provider, model and the moment from which it holds."""

    class Meta(SafeResource.Meta):
        model = ModelPrice
        import_id_fields = ("provider", "model", "valid_from")
        fields = (
            *("provider", "model", "valid_from"),
            *("input_per_million", "cached_input_per_million", "output_per_million", "currency"),
        )


class PromptTextResource(SafeResource):
    """One row a text that is in use. A text that differs from the present one is published as a new version."""

    class Meta(SafeResource.Meta):
        model = PromptText
        import_id_fields = ("section", "part")
        fields = ("section", "part", "text", "note")

    def get_queryset(self) -> Any:
        return PromptText.objects.current()

    def do_instance_save(self, instance: PromptText, is_create: bool) -> None:
        instance.publish(by=self.by)

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        self.by = kwargs.get("user")
        rows = [(str(row.get("section")), str(row.get("part"))) for row in dataset.dict]
        doubled = sorted({f"{section} {part}" for section, part in rows if rows.count((section, part)) > 1})
        if doubled:
            raise ValidationError(f"These texts are in the file more than once: {', '.join(doubled)}.")


class Ported(ImportExportMixin, ModelAdmin):  # type: ignore[misc]  # the libraries' own mixins differ from Django's
    """An admin whose rows go in and out as files, in this console's theme; exports are noted, too."""

    import_form_class = ImportForm
    export_form_class = ExportForm  # type: ignore[assignment]  # unfold's, for one form without a choice of fields
    resource_classes: Any = ()

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: Any, **kwargs: Any) -> Any:
        data = super().get_export_data(file_format, request, queryset, **kwargs)  # type: ignore[no-untyped-call]
        LogEntry.objects.create(
            user_id=request.user.pk or 0,
            content_type=ContentType.objects.get_for_model(self.opts.model),
            object_repr=str(self.opts.verbose_name_plural),
            action_flag=CHANGE,
            change_message=f"Export of {queryset.count()} rows as {file_format.get_extension()}.",
        )
        return data

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Importing may add and change."""
        name = f"{self.opts.app_label}.{{}}_{self.opts.model_name}"
        return request.user.has_perms([name.format("add"), name.format("change")])
