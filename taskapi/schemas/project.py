"""Projects and their members."""

from marshmallow import Schema, fields, validate

from taskapi.models.project import LISTING, ROLES
from taskapi.schemas.fields import (
    Boolean,
    Id,
    OneOf,
    PageQuery,
    RequestSchema,
    SearchText,
    SortBy,
    Time,
    multi_line,
    one_line,
    trim,
)


class ProjectSchema(RequestSchema):
    id = Id(dump_only=True)
    name = fields.String(
        required=True, pre_load=trim, validate=one_line(100), metadata={"example": "Website"}
    )
    description = fields.String(
        allow_none=True,
        validate=multi_line(10_000, 0),
        post_load=lambda text: text or None,
        metadata={"example": "The new website."},
    )
    is_inbox = Boolean(dump_only=True)
    is_archived = Boolean()
    role = fields.String(
        dump_only=True,
        validate=OneOf((*ROLES, "admin")),
        metadata={"description": "The caller's role; `admin` for an admin who is not a member."},
    )
    created_at = Time(dump_only=True)
    updated_at = Time(dump_only=True)
    version = Id(dump_only=True, metadata={"example": 1})


class EventProjectSchema(ProjectSchema):
    """A project in a webhook message, without the role of a caller."""

    class Meta(ProjectSchema.Meta):
        exclude = ("role",)


class ProjectQuery(PageQuery):
    sort_by = SortBy(LISTING.sorts, "id")
    is_archived = Boolean(metadata={"description": "Projects that are archived, or not."})
    q = SearchText("Text in the name, in any case.")


class MemberSchema(Schema):
    user_id = Id()
    username = fields.String(metadata={"example": "ana"})
    role = fields.String(validate=OneOf(ROLES))
    created_at = Time()


class AddMemberSchema(RequestSchema):
    user = fields.String(
        required=True,
        validate=validate.Length(1, 320),
        metadata={"description": "A username or an e-mail.", "example": "ben"},
    )
    role = fields.String(required=True, validate=OneOf(ROLES))


class UpdateMemberSchema(RequestSchema):
    role = fields.String(required=True, validate=OneOf(ROLES))
