"""What goes out, for the documents and the tests: at run time answers are plain dicts."""

from marshmallow import Schema, fields

from taskapi.models.delivery import STATUSES as DELIVERY_STATUSES
from taskapi.models.event import ACTIONS, WEBHOOK_EVENTS, WEBHOOK_TEST
from taskapi.models.job import KINDS
from taskapi.models.job import STATUSES as JOB_STATUSES
from taskapi.models.task import PRIORITIES, SHOWN, STATUSES
from taskapi.models.token import SCOPES
from taskapi.models.user import ROLES
from taskapi.schemas.fields import BIGGEST_ID, Choice, Number, Text, Time
from taskapi.schemas.task import TaskFields

OPTIONAL = {"optional": True}  # is not in every answer


def identifier(**more: object) -> Number:
    return Number(1, BIGGEST_ID, metadata={"example": 7}, **more)


def amount(example: int = 3) -> Number:
    return Number(0, BIGGEST_ID, metadata={"example": example})


class Answer(Schema):
    """Every field is there in each answer, unless it is optional."""


class Task(TaskFields, Answer):
    id = identifier()
    completed_at = Time(allow_none=True)
    created_at = Time()
    updated_at = Time()
    version = Number(1, BIGGEST_ID)
    deleted_at = Time(metadata=OPTIONAL)

    class Meta(TaskFields.Meta):
        fields = tuple(column.name for column in SHOWN)


class User(Answer):
    id = identifier()
    username = Text(320, metadata={"example": "ana"})  # the e-mail, where there is no other name
    email = Text(254, allow_none=True, metadata={"example": "ana@example.org"})
    role = Choice(ROLES)
    is_active = fields.Boolean()
    created_at = Time()
    updated_at = Time()
    version = Number(1, BIGGEST_ID)


class SignedIn(Answer):
    access_token = fields.String()
    refresh_token = fields.String()
    token_type = Choice(("bearer",))
    expires_in = Number(60, 86_400, metadata={"example": 1800})
    user = fields.Nested(User)


class Session(Answer):
    id = identifier()
    created_at = Time()
    last_used_at = Time()
    expires_at = Time()
    address = fields.String(metadata={"example": "192.0.2.7"})
    agent = fields.String(metadata={"example": "curl/8.5.0"})
    current = fields.Boolean()


class PersonalToken(Answer):
    id = identifier()
    name = Text(100, metadata={"example": "backup script"})
    scope = Choice(SCOPES)
    prefix = fields.String(metadata={"example": "tsk_Zk3vQ1"})
    created_at = Time()
    expires_at = Time(allow_none=True)
    last_used_at = Time(allow_none=True)


class NewPersonalToken(PersonalToken):
    token = fields.String(metadata={"example": "tsk_…"})


class ResetToken(Answer):
    token = fields.String()
    expires_at = Time()


class Counts(Answer):
    """How many there are of each word."""


ByStatus = Counts.from_dict({word: amount() for word in STATUSES}, name="ByStatus")
ByPriority = Counts.from_dict({word: amount() for word in PRIORITIES}, name="ByPriority")


class DayCount(Answer):
    date = fields.Date(metadata={"example": "2026-12-01"})
    count = amount()


class Stats(Answer):
    total = amount(9)
    by_status = fields.Nested(ByStatus)
    by_priority = fields.Nested(ByPriority)
    overdue = amount(1)
    due_today = amount(2)
    done_per_day = fields.List(fields.Nested(DayCount))
    tz = fields.String(metadata={"example": "Europe/Berlin"})


class BulkResults(Answer):
    results = fields.List(fields.Nested(Task, allow_none=True))  # null for what was deleted


class Imported(Answer):
    created = amount()
    dry_run = fields.Boolean(metadata=OPTIONAL)
    would_create = Number(0, BIGGEST_ID, metadata=OPTIONAL)


class Progress(Answer):
    done = amount(500)
    total = Number(0, BIGGEST_ID, allow_none=True, metadata={"example": 2000})


class Job(Answer):
    id = identifier()
    kind = Choice(KINDS)
    status = Choice(JOB_STATUSES)
    progress = fields.Nested(Progress)
    result = fields.Dict(allow_none=True, metadata={"example": {"created": 2000}})
    error = fields.Dict(allow_none=True, metadata={"example": None})
    created_at = Time()
    finished_at = Time(allow_none=True)


class Webhook(Answer):
    id = identifier()
    url = fields.String(metadata={"example": "https://example.org/hook"})
    events = fields.List(Choice(WEBHOOK_EVENTS))
    is_active = fields.Boolean()
    failing_since = Time(allow_none=True)
    created_at = Time()
    updated_at = Time()


class NewWebhook(Webhook):
    secret = fields.String(metadata={"example": "whsec_…"})


class Delivery(Answer):
    id = identifier()
    event = Choice((*WEBHOOK_EVENTS, WEBHOOK_TEST))
    message_id = fields.String(metadata={"example": "msg_7_1204"})
    status = Choice(DELIVERY_STATUSES)
    attempts = amount(1)
    status_code = Number(100, 999, allow_none=True, metadata={"example": 204})
    error = fields.String(allow_none=True)
    created_at = Time()
    last_attempt_at = Time(allow_none=True)
    next_attempt_at = Time(allow_none=True)
    delivered_at = Time(allow_none=True)


class Calendar(Answer):
    url = fields.String(metadata={"example": "/calendar/….ics"})


class Activity(Answer):
    at = Time()
    actor = Number(1, BIGGEST_ID, allow_none=True, metadata={"example": 7})
    action = Choice(ACTIONS)
    changes = fields.Dict(metadata={"example": {"status": ["todo", "done"]}})
    request_id = fields.String(allow_none=True)


class AuditEntry(Activity):
    id = identifier()
    user_id = Number(1, BIGGEST_ID, allow_none=True)
    task_id = Number(1, BIGGEST_ID, allow_none=True)
    address = fields.String(allow_none=True, metadata={"example": "192.0.2.7"})


class Health(Answer):
    status = Choice(("ok",))


class Part(Answer):
    """One part that the service needs, as it answered just now."""

    status = Choice(("ok", "away"))
    latency_ms = fields.Float(metadata=OPTIONAL | {"example": 0.4})


class DatabasePart(Part):
    kind = Choice(("sqlite", "postgresql"), metadata=OPTIONAL)
    is_at_head = fields.Boolean(metadata=OPTIONAL)


class LimiterPart(Part):
    kind = Choice(("memory", "redis"), metadata=OPTIONAL)


class QueuePart(Part):
    """How many jobs and deliveries wait, since when the oldest, when a worker was last seen."""

    depth = Number(0, BIGGEST_ID, metadata=OPTIONAL)
    oldest_seconds = fields.Float(allow_none=True, metadata=OPTIONAL)
    worker_seen_seconds = fields.Float(allow_none=True, metadata=OPTIONAL)


class HealthReport(Answer):
    status = Choice(("ok", "degraded", "unavailable"))
    database = fields.Nested(DatabasePart)
    limiter = fields.Nested(LimiterPart)
    queue = fields.Nested(QueuePart)
    version = fields.String(metadata={"example": "1.0.0"})
    uptime_seconds = amount(86_400)


class Links(Answer):
    docs = fields.String(metadata={"example": "/docs"})
    redoc = fields.String(metadata={"example": "/redoc"})
    openapi = fields.String(metadata={"example": "/openapi.json"})
    health = fields.String(metadata={"example": "/health/detailed"})
    api = fields.String(metadata={"example": "/api/v1"})


class About(Answer):
    name = fields.String(metadata={"example": "Task API"})
    description = fields.String()
    version = fields.String(metadata={"example": "1.0.0"})
    status = Choice(("ok", "degraded", "unavailable"))
    links = fields.Nested(Links)


class OpenApi(Answer):
    openapi = fields.String(metadata={"example": "3.1.0"})
    info = fields.Dict(metadata={"example": {"title": "Task API", "version": "1.0.0"}})
    servers = fields.List(fields.Dict(), metadata={"example": [{"url": "/"}]})
    tags = fields.List(fields.Dict(), metadata={"example": []})
    paths = fields.Dict(metadata={"example": {}})
    webhooks = fields.Dict(metadata={"example": {}})
    components = fields.Dict(metadata={"example": {}})


class NotJson(Answer):
    """The answer's media type says what it is."""
