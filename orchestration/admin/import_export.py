"""Import and export of what operators keep in files: a wrong file is shown row by row and changes nothing."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist, ValidationError
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from import_export.admin import ImportExportMixin
from import_export.forms import ConfirmImportForm
from import_export.resources import ModelResource
from import_export.results import Error, RowResult
from import_export.widgets import JSONWidget
from unfold.admin import ModelAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from orchestration.admin.import_formats import FORMATS, FileRefused
from orchestration.admin.import_widgets import BY_FIELD
from orchestration.components.prompt_overrides import check_text
from orchestration.errors import TransitionRefused
from orchestration.models import ModelPrice, PromptText
from orchestration.values import file_formats
from orchestration.values.spreadsheets import escaped, is_formula, unescaped

TOLD_FAULTS = 20
UNFIT = (
    *(ArithmeticError, LookupError, TypeError, ValueError),
    *(MultipleObjectsReturned, ObjectDoesNotExist, ValidationError),
)
"""What widgets and fields raise about a cell."""
Seen = dict[str, str]
"""By the number of a row of the file, what was there that it changes: a digest."""
NOTHING_THERE = ""
CHANGED = "What it would change was changed after the preview: choose the file again, and look at the difference."


class ImportFault(Error):
    """Why something was not imported, in words for whoever sent the file: no traceback, no path of this machine."""

    traceback = ""

    def __init__(self, error: Exception, row: Any = None, number: int | None = None) -> None:
        super().__init__(_in_words(error), row, number)  # type: ignore[no-untyped-call]


def _in_words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, TransitionRefused):
        return str(error)
    if isinstance(error, DatabaseError):
        return f"The database refuses it: {str(error).partition(chr(10))[0]}"
    return f"It cannot be imported ({type(error).__name__})."


class SafeResource(ModelResource):
    """Checked like a form, all rows or none; a cell that a spreadsheet would run as a formula is refused.

    Every column must be known, and what a cell says must be sure; errors name row and column. Exports have a column
    with the version of the file's format; a file without it is of the first, and one of a newer version is refused.
    """

    FILE_FORMAT: ClassVar[int] = file_formats.FIRST
    """What this code writes, and the newest that it reads: one more when a column gets another meaning."""

    WIDGETS_MAP = ModelResource.WIDGETS_MAP | BY_FIELD

    @classmethod
    def get_error_result_class(cls) -> type[Error]:
        return ImportFault

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        super().before_import(dataset, **kwargs)  # type: ignore[no-untyped-call]
        self._seen: Seen | None = kwargs.get("seen")
        self._noted: Seen = kwargs.get("noted", {})
        self._take_file_format(dataset)
        known = [field.column_name for field in self.get_import_fields()]  # type: ignore[no-untyped-call]
        needed = [self.fields[name].column_name for name in self.get_import_id_fields()]  # type: ignore[no-untyped-call]
        unknown = [name for name in dataset.headers or () if name not in known]
        missing = [name for name in needed if name not in (dataset.headers or ())]
        if unknown or missing:
            dataset.wipe()  # no row is looked at
            messages = [f"There is no column {', '.join(unknown)} here."] if unknown else []
            messages += [f"The column {', '.join(missing)} is missing."] if missing else []
            raise ValidationError(f"{' '.join(messages)} The columns are {', '.join(known)}.")

    def _take_file_format(self, dataset: Any) -> None:
        """Remove the column with the versions, which is of no row; ValidationError for one that cannot be read."""
        if file_formats.NAME not in (dataset.headers or ()):
            return
        for number, cell in enumerate(dataset[file_formats.NAME], 1):
            try:
                file_formats.refuse_unknown(cell, self.FILE_FORMAT)
            except file_formats.UnknownFileFormat as error:
                dataset.wipe()  # no row is looked at
                raise ValidationError(f"Row {number}: {error}") from None
        del dataset[file_formats.NAME]

    def export(self, *args: Any, **kwargs: Any) -> Any:
        dataset = super().export(*args, **kwargs)  # type: ignore[no-untyped-call]
        dataset.append_col([self.FILE_FORMAT] * len(dataset), header=file_formats.NAME)
        return dataset

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        super().before_import_row(row, **kwargs)  # type: ignore[no-untyped-call]
        faults: dict[str, str] = {}
        keys = [self.fields[name] for name in self.get_import_id_fields()]  # type: ignore[no-untyped-call]
        for field in self.get_import_fields():  # type: ignore[no-untyped-call]
            column = field.column_name
            if column in row:
                try:
                    row[column] = _checked_cell(row[column], field.widget)
                    if field in keys and _is_blank(row[column]):
                        raise ValueError("must not be empty: rows are found by it")
                    field.clean(row)
                except UNFIT as error:
                    faults[column] = _fault(error)
        if faults:
            raise ValidationError(faults)

    def import_row(self, row: Any, instance_loader: Any, **kwargs: Any) -> Any:
        """A row with nothing in it is skipped."""
        if all(map(_is_blank, row.values())):
            nothing = self.get_row_result_class()()  # type: ignore[no-untyped-call]
            nothing.import_type = RowResult.IMPORT_TYPE_SKIP
            return nothing
        return super().import_row(row, instance_loader, **kwargs)  # type: ignore[no-untyped-call]

    def after_init_instance(self, instance: Any, new: bool, row: Any, **kwargs: Any) -> None:
        """A row of the table that is not as the preview showed it is refused: nobody has seen what would be lost."""
        super().after_init_instance(instance, new, row, **kwargs)  # type: ignore[no-untyped-call]
        number = str(kwargs["row_number"])
        self._noted[number] = now = NOTHING_THERE if new else self._digest(instance)
        if self._seen is not None and self._seen.get(number) != now:
            raise ValidationError(CHANGED)

    def _digest(self, instance: Any) -> str:
        values = [field.get_value(instance) for field in self.get_import_fields()]  # type: ignore[no-untyped-call]
        return sha256(repr([instance.pk, *map(str, values)]).encode()).hexdigest()[:16]

    def iter_queryset(self, queryset: Any) -> Any:
        """Read at once: an iterator's cursor would stay open behind a row that fails, and keep SQLite locked."""
        return iter(list(queryset))

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        value = super().export_field(field, instance, **kwargs)  # type: ignore[no-untyped-call]
        return escaped(value) if isinstance(value, str) else value

    class Meta:
        clean_model_instances = True
        use_transactions = True
        skip_unchanged = True
        report_skipped = True


def _is_blank(value: Any) -> bool:
    return value is None or not str(value).strip()


def _checked_cell(value: Any, widget: Any) -> Any:
    """What a cell holds; ValueError for what no text of a database is."""
    if isinstance(value, list | dict) and not isinstance(widget, JSONWidget):
        raise ValueError("must be text or a number, not a list or an object")
    if not isinstance(value, str):
        return value
    if is_formula(value):
        raise ValueError("This cell is a formula. Write it as plain text, or leave it out.")
    value = unescaped(value)
    if "\x00" in value:
        raise ValueError("holds NUL, which no database stores")
    return value


def _fault(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, ObjectDoesNotExist):
        return "names nothing that exists"
    return str(error) if isinstance(error, ValueError) else f"cannot be read ({type(error).__name__})"


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

    def validate_instance(self, instance: Any, *args: Any, **kwargs: Any) -> None:
        super().validate_instance(instance, *args, **kwargs)  # type: ignore[no-untyped-call]
        check_text(instance.section, instance.text)

    def get_or_init_instance(self, instance_loader: Any, row: Any) -> Any:
        """What is in use is looked at before what the preview showed is: what is published in between is noticed."""
        self.bases[row["section"], row["part"]] = PromptText.objects.base_of(row["section"], row["part"])
        return super().get_or_init_instance(instance_loader, row)  # type: ignore[no-untyped-call]

    def do_instance_save(self, instance: PromptText, is_create: bool) -> None:
        instance.publish(by=self.by, base=self.bases.get((instance.section, instance.part)))

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        super().before_import(dataset, **kwargs)
        self.by = kwargs.get("user")
        self.bases: dict[tuple[str, str], int] = {}
        rows = [(str(row.get("section")), str(row.get("part"))) for row in dataset.dict]
        doubled = sorted({f"{section} {part}" for section, part in rows if rows.count((section, part)) > 1})
        if doubled:
            raise ValidationError(f"These texts are in the file more than once: {', '.join(doubled)}.")


class FileForm(ImportForm):
    """Chooses the file; and what the preview of it found."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self.noted: Seen = {}


class ConfirmForm(ConfirmImportForm):
    """Confirms a preview, with what was there when it was shown."""

    seen = forms.JSONField(required=False, widget=forms.HiddenInput)

    def clean_seen(self) -> Seen | None:
        seen = self.cleaned_data["seen"]
        return {str(number): str(digest) for number, digest in seen.items()} if isinstance(seen, dict) else None


class Ported(ImportExportMixin, ModelAdmin):  # type: ignore[misc]  # the libraries' own mixins differ from Django's
    """An admin whose rows go in and out as files, in this console's theme; exports are noted, too."""

    formats = FORMATS
    import_form_class = FileForm
    confirm_form_class = ConfirmForm
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

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs.get("form")
        found: dict[str, Any] = super().get_import_data_kwargs(**kwargs)  # type: ignore[no-untyped-call]
        if isinstance(form, FileForm):
            found["noted"] = form.noted
        if isinstance(form, ConfirmForm):
            found["seen"] = form.cleaned_data["seen"]
        return found

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_confirm_form_initial(request, import_form)  # type: ignore[no-untyped-call]
        return found | ({"seen": import_form.noted} if isinstance(import_form, FileForm) else {})

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        if isinstance(e, FileRefused):
            form.add_error("import_file", str(e))
        else:
            super().add_data_read_fail_error_to_form(form, e)  # type: ignore[no-untyped-call]

    def process_import(self, request: HttpRequest, **kwargs: Any) -> Any:
        """After the preview: all rows or none, and when it is none, why."""
        try:
            return super().process_import(request, **kwargs)  # type: ignore[no-untyped-call]
        except (OSError, FileRefused):  # confirmed twice, or after the temporary file was removed
            messages.error(request, "The file no longer exists: choose it again.")
            return self._to_import()

    def process_dataset(self, dataset: Any, form: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault("rollback_on_validation_errors", True)
        return super().process_dataset(dataset, form, request, **kwargs)  # type: ignore[no-untyped-call]

    def process_result(self, result: Any, request: HttpRequest) -> Any:
        if not (result.has_errors() or result.has_validation_errors()):
            return super().process_result(result, request)  # type: ignore[no-untyped-call]
        faults = [fault.error for fault in result.base_errors]
        faults += [f"Row {number}: {fault.error}" for number, row in result.row_errors() for fault in row]
        faults += [f"Row {row.number}: {' '.join(row.error.messages)}" for row in result.invalid_rows]
        messages.error(request, f"Nothing was imported. {' '.join(faults[:TOLD_FAULTS])}")
        return self._to_import()

    def _to_import(self) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_import"))

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Importing may add and change."""
        name = f"{self.opts.app_label}.{{}}_{self.opts.model_name}"
        return request.user.has_perms([name.format("add"), name.format("change")])


class PortedPrices(Ported):
    resource_classes = (PriceResource,)


class PortedPrompts(Ported):
    resource_classes = (PromptTextResource,)
