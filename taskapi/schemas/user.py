"""Users: accounts, profiles and their passwords."""

import re
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate

from taskapi.config import settings
from taskapi.models.password import MAX_LENGTH
from taskapi.models.user import LISTING, ROLES, key_of
from taskapi.schemas.fields import (
    Boolean,
    FullMatch,
    Id,
    OneOf,
    PageQuery,
    QuerySchema,
    RequestSchema,
    SearchText,
    SortBy,
    Time,
    trim,
)

MAX_EMAIL = 254
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u00a0-\u2027\u202a-\U0010ffff-]{1,64}"
    r"@(?:[\w](?:[\w-]{0,61}[\w])?\.)+[\w-]{2,63}"
)
_BAD_USERNAME = "Must be 3 to 50 of the letters A-Z a-z, digits, '.', '_', '-'."
ROLE_HINT = {"role": " Only an admin can set 'role'."}


class Password(fields.String):
    """A current password."""

    def __init__(self, **more: Any):
        metadata = {"format": "password", "example": "Correct-Horse-7", **more.pop("metadata", {})}
        super().__init__(validate=validate.Length(1, MAX_LENGTH), metadata=metadata, **more)


class NewPassword(Password):
    """A new password; the model validates it."""

    def __init__(self, **more: Any):
        super().__init__(
            metadata={
                "description": "With an upper-case letter and a digit; not a common password "
                "and not the username.",
                "minLength": lambda: settings().password_min_length,
                "pattern": r"[A-Z][\s\S]*[0-9]|[0-9][\s\S]*[A-Z]",
            },
            **more,
        )


def _check_email(address: str) -> None:
    # Also validate the normalised form, which is compared.
    for spelling in (address, key_of(address)):
        if len(spelling) > MAX_EMAIL or not _EMAIL.fullmatch(spelling):
            raise ValidationError("Not a valid email address.")


class UserSchema(Schema):
    id = Id()
    username = fields.String(
        attribute="name",
        metadata={"description": "The e-mail if there is no username.", "example": "ana"},
    )
    email = fields.String(allow_none=True, metadata={"example": "ana@example.org"})
    role = fields.String(validate=OneOf(ROLES))
    is_active = Boolean()
    created_at = Time()
    updated_at = Time()
    version = Id(metadata={"example": 1})


class NamesSchema(RequestSchema):
    username = fields.String(
        allow_none=True,
        pre_load=trim,
        validate=FullMatch("^[A-Za-z0-9._-]{3,50}$", error=_BAD_USERNAME),
        metadata={"minLength": 3, "maxLength": 50, "example": "ana"},
    )
    # Unlike marshmallow's field for e-mails, it allows letters of any alphabet.
    email = fields.String(
        allow_none=True,
        pre_load=trim,
        validate=_check_email,
        metadata={
            "format": "email",
            "minLength": 3,
            "maxLength": MAX_EMAIL,
            "example": "ana@example.org",
        },
    )


class CreateUserSchema(NamesSchema):
    password = NewPassword(required=True)
    role = fields.String(validate=OneOf(ROLES))
    is_active = Boolean()
    json_schema: ClassVar = {
        "description": "A username, an e-mail or both are required.",
        "not": {"properties": {name: {"type": "null"} for name in ("username", "email")}},
    }


class RegisterSchema(CreateUserSchema):
    hints = ROLE_HINT

    class Meta(CreateUserSchema.Meta):
        exclude = ("role", "is_active")


class UpdateUserSchema(NamesSchema):
    role = fields.String(validate=OneOf(ROLES))
    is_active = Boolean()
    password = NewPassword()
    current_password = Password(
        metadata={"description": "Required of admins who change their own names or password."}
    )


class UpdateProfileSchema(NamesSchema):
    hints = ROLE_HINT

    current_password = Password(required=True)


class DeleteAccountSchema(RequestSchema):
    current_password = Password(required=True)


class DeleteUserQuery(QuerySchema):
    reassign_to = Id(
        metadata={"description": "The user who gets the tasks; without it they are deleted."}
    )


class UserQuery(PageQuery):
    sort_by = SortBy(LISTING.sorts, "id")
    role = fields.String(validate=OneOf(ROLES), metadata={"description": "Users of this role."})
    is_active = Boolean(metadata={"description": "Users who are active, or disabled."})
    q = SearchText("Text in the username or the e-mail, in any case.")
