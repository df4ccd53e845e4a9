"""The domain rows that the examples of the source documents name."""

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Lower, Upper

from persistence.models.fields import CounterField


class Simulation(models.Model):
    sim_patient_full_name = models.CharField(max_length=100)
    tallies = models.ManyToManyField("Tally")

    def __str__(self) -> str:
        return self.sim_patient_full_name


class Message(models.Model):
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE, null=True)
    role = models.CharField(max_length=64)
    text = models.TextField(blank=True, default="")
    content = models.TextField(blank=True, default="")
    is_from_ai = models.BooleanField(default=False)
    meta = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.role} {self.pk}"


class Attachment(models.Model):
    """Its key is a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, null=True)
    kind = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.kind


class Result(models.Model):
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    name = models.CharField(max_length=50)
    value = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Encounter(models.Model):
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    started_at = models.DateTimeField()
    identity = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"encounter {self.pk}"


class Observation(models.Model):
    encounter = models.ForeignKey(Encounter, on_delete=models.CASCADE)
    kind = models.CharField(max_length=50)
    value = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.kind


class AIResponse(models.Model):
    correlation_id = models.UUIDField(unique=True)
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    namespace = models.CharField(max_length=128)
    kind = models.CharField(max_length=128)
    name = models.CharField(max_length=128)
    payload = models.JSONField()

    def __str__(self) -> str:
        return str(self.correlation_id)


class Feedback(models.Model):
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    summary = models.TextField()
    identity = models.CharField(max_length=255, blank=True, default="")

    def __str__(self) -> str:
        return f"feedback {self.pk}"


class FeedbackMetric(models.Model):
    feedback = models.ForeignKey(Feedback, on_delete=models.CASCADE)
    name = models.CharField(max_length=50)
    value = models.FloatField()

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """One row per key: what two runs of a handler would both want to insert."""

    key = models.CharField(max_length=64, unique=True)
    count = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.key}={self.count}"


class Line(models.Model):
    """Its key is two columns."""

    pk = models.CompositePrimaryKey("simulation_id", "position")
    simulation = models.ForeignKey(Simulation, on_delete=models.CASCADE)
    position = models.IntegerField()
    text = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"line {self.position}"


class Document(models.Model):
    """Its key is text, as long as one may be."""

    path = models.CharField(primary_key=True, max_length=255)
    title = models.CharField(max_length=100, blank=True, default="")

    def __str__(self) -> str:
        return self.title


class LetterCase(models.CharField):
    """Stores upper case whatever it is given, and gives it back in lower case."""

    def get_prep_value(self, value):
        return None if value is None else str(value).upper()

    def from_db_value(self, value, expression, connection):
        return None if value is None else value.lower()


class Specimen(models.Model):
    """A column of every kind whose stored form may differ from what was assigned."""

    moment = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    hour = models.TimeField(null=True)
    lasted = models.DurationField(null=True)
    count = models.IntegerField(null=True)
    amount = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    ratio = models.FloatField(null=True)
    data = models.JSONField(null=True)
    blob = models.BinaryField(null=True)
    address = models.GenericIPAddressField(null=True)
    token = models.UUIDField(null=True)
    name = models.CharField(max_length=50, default="")
    given = models.IntegerField(db_default=7)
    shout = models.GeneratedField(
        expression=Upper("name"), output_field=models.CharField(max_length=50), db_persist=True
    )
    touched = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"specimen {self.pk}"


class Tag(models.Model):
    name = LetterCase(max_length=50)

    def __str__(self) -> str:
        return self.name


class UrgentMessage(Message):
    """A message with a table of its own beside the parent's."""

    reason = models.CharField(max_length=50)


class SpokenMessage(Message):
    """The same rows under another name."""

    class Meta:
        proxy = True


class Place(models.Model):
    """A place in an order, one of nine: there is no value to which a row could move out of the way of another."""

    name = models.CharField(max_length=20)
    position = models.PositiveSmallIntegerField(unique=True)
    row = models.CharField(max_length=5, default="a")
    number = models.PositiveSmallIntegerField(null=True)
    is_first = models.BooleanField(default=False)
    after = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="followers")
    seen = CounterField(default=0)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(position__gte=1, position__lte=9), name="place_one_of_nine"),
            models.UniqueConstraint(fields=("row", "number"), name="place_number_once"),
            models.UniqueConstraint(fields=("row",), condition=models.Q(is_first=True), name="place_one_first"),
        )

    def __str__(self) -> str:
        return self.name


class Marker(models.Model):
    """What hangs on messages in ways that differ."""

    guarded = models.ForeignKey(Message, on_delete=models.PROTECT, null=True, related_name="guards")
    restricted = models.ForeignKey(Message, on_delete=models.RESTRICT, null=True, related_name="restrictions")
    loose = models.ForeignKey(Message, on_delete=models.SET_NULL, null=True, related_name="loose_markers")

    def __str__(self) -> str:
        return f"marker {self.pk}"


def under_random_name(instance: models.Model, name: str) -> str:
    return f"scans/{uuid.uuid4().hex}-{name}"


class Paper(models.Model):
    """What is kept in files, and in a file of which only a text column knows the name."""

    title = models.CharField(max_length=50)
    file = models.FileField(upload_to="papers/%Y/%m/", blank=True)
    scan = models.FileField(upload_to=under_random_name, blank=True)
    stored_as = models.CharField(max_length=200, blank=True, default="")

    def __str__(self) -> str:
        return self.title


class Remark(models.Model):
    """What points at rows in ways that Django follows at no deletion."""

    message = models.ForeignKey(Message, on_delete=models.DO_NOTHING, null=True, related_name="remarks")
    unchecked = models.ForeignKey(
        Message, on_delete=models.DO_NOTHING, null=True, db_constraint=False, related_name="unchecked_remarks"
    )
    # unconstrained: the second database of the tests has no content types
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, null=True, db_constraint=False)
    object_id = models.CharField(max_length=400, default="")
    target = GenericForeignKey()

    def __str__(self) -> str:
        return f"remark {self.pk}"


class Member(models.Model):
    """Rows that hang on each other."""

    name = models.CharField(max_length=50)
    folded = models.GeneratedField(
        expression=Lower("name"), output_field=models.CharField(max_length=50), db_persist=True, unique=True
    )
    friends = models.ManyToManyField("self")
    follows = models.ManyToManyField("self", symmetrical=False, related_name="followers")
    boss = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, related_name="staff")
    mentor = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="pupil")
    joined = models.DateTimeField(auto_now_add=True)
    due = models.DateTimeField(null=True)
    number = models.IntegerField(null=True, unique=True)
    rank = models.IntegerField(null=True, default=7)
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    """Its key is a number that somebody else gave."""

    isbn = models.IntegerField(primary_key=True)
    title = models.CharField(max_length=50, default="")

    def __str__(self) -> str:
        return self.title


class Register(models.Model):
    """Gives out numbers: `next_number` is taken by handlers, `next_page` counted on by whoever writes."""

    monotonic_fields = ("next_number",)

    name = models.CharField(max_length=20)
    next_number = models.IntegerField(default=1)
    next_page = models.IntegerField(default=1)

    def __str__(self) -> str:
        return self.name
