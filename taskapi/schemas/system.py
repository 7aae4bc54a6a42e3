"""Health, the start page and responses that are not JSON, for the document."""

from marshmallow import Schema, fields

from taskapi.schemas.fields import OPTIONAL, Boolean, Count, OneOf


class HealthSchema(Schema):
    status = fields.String(validate=OneOf(("ok",)))


class ComponentSchema(Schema):
    status = fields.String(validate=OneOf(("ok", "away")))
    latency_ms = fields.Float(metadata=OPTIONAL | {"example": 0.4})


class DatabaseHealthSchema(ComponentSchema):
    kind = fields.String(validate=OneOf(("sqlite", "postgresql")), metadata=OPTIONAL)
    is_at_head = Boolean(metadata=OPTIONAL)


class LimiterHealthSchema(ComponentSchema):
    kind = fields.String(validate=OneOf(("memory", "redis")), metadata=OPTIONAL)


class QueueHealthSchema(ComponentSchema):
    """The state of the queue."""

    depth = Count(metadata=OPTIONAL)
    oldest_seconds = fields.Float(allow_none=True, metadata=OPTIONAL | {"example": 1.5})
    in_progress = Count(metadata=OPTIONAL)


class HealthReportSchema(Schema):
    status = fields.String(validate=OneOf(("ok", "degraded", "unavailable")))
    database = fields.Nested(DatabaseHealthSchema)
    limiter = fields.Nested(LimiterHealthSchema)
    queue = fields.Nested(QueueHealthSchema)
    version = fields.String(metadata={"example": "1.0.0"})
    uptime_seconds = Count(86_400)


class LinksSchema(Schema):
    docs = fields.String(metadata={"example": "/docs"})
    redoc = fields.String(metadata={"example": "/redoc"})
    openapi = fields.String(metadata={"example": "/openapi.json"})
    health = fields.String(metadata={"example": "/health/detailed"})
    api = fields.String(metadata={"example": "/api/v1"})


class AboutSchema(Schema):
    name = fields.String(metadata={"example": "Task API"})
    description = fields.String()
    version = fields.String(metadata={"example": "1.0.0"})
    status = fields.String(validate=OneOf(("ok", "degraded", "unavailable")))
    links = fields.Nested(LinksSchema)


class CalendarSchema(Schema):
    url = fields.String(metadata={"example": "/calendar/….ics"})


class OpenApiSchema(Schema):
    openapi = fields.String(metadata={"example": "3.1.0"})
    info = fields.Dict(metadata={"example": {"title": "Task API", "version": "1.0.0"}})
    servers = fields.List(fields.Dict(), metadata={"example": [{"url": "/"}]})
    tags = fields.List(fields.Dict(), metadata={"example": []})
    paths = fields.Dict(metadata={"example": {}})
    webhooks = fields.Dict(metadata={"example": {}})
    components = fields.Dict(metadata={"example": {}})


class NotJsonSchema(Schema):
    """A response that is not JSON."""
