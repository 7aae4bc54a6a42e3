"""Login, sessions and tokens."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from taskapi.models.token import SCOPES
from taskapi.schemas.fields import Boolean, Id, OneOf, RequestSchema, Time, one_line, trim
from taskapi.schemas.user import NewPassword, Password, UserSchema


class Name(fields.String):
    """A name for login. An invalid one is a failed login, not an invalid field."""

    def __init__(self, **more: Any):
        super().__init__(validate=validate.Length(1, 320), metadata={"example": "ana"}, **more)


class Token(fields.String):
    def __init__(self, **more: Any):
        super().__init__(validate=validate.Length(1, 200), **more)


class Unused(fields.String):
    """A parameter of OAuth2 that is accepted and ignored."""

    def __init__(self) -> None:
        super().__init__(validate=validate.Length(0, 1000), metadata={"description": "Unused."})


class LoginSchema(RequestSchema):
    username = Name()
    email = Name()
    password = Password(required=True)
    json_schema: ClassVar = {
        "description": "Either a username or an e-mail, and the password.",
        "minProperties": 2,
        "maxProperties": 2,
    }

    @validates_schema(skip_on_field_errors=True)
    def _require_one_name(self, data: dict[str, Any], **_: Any) -> None:
        if ("username" in data) == ("email" in data):
            raise ValidationError({"username": ["Either a username or an e-mail is required."]})


class LoginFormSchema(RequestSchema):
    """The OAuth2 password form."""

    username = Name(required=True)
    password = Password(required=True)
    grant_type = fields.String(validate=OneOf(("password",)))
    scope = Unused()
    client_id = Unused()
    client_secret = Unused()


class RefreshFormSchema(RequestSchema):
    """The OAuth2 refresh form, which clients send to their token URL."""

    refresh_token = Token(required=True)
    grant_type = fields.String(validate=OneOf(("refresh_token",)), required=True)
    scope = Unused()
    client_id = Unused()
    client_secret = Unused()


class RefreshSchema(RequestSchema):
    refresh_token = Token()


class ChangePasswordSchema(RequestSchema):
    current_password = Password(required=True)
    new_password = NewPassword(required=True)


class ResetPasswordSchema(RequestSchema):
    token = Token(required=True)
    new_password = NewPassword(required=True)


class SignedInSchema(Schema):
    access_token = fields.String()
    refresh_token = fields.String()
    token_type = fields.String(validate=validate.OneOf(("bearer",)))
    expires_in = fields.Integer(validate=validate.Range(60, 86_400), metadata={"example": 1800})
    user = fields.Nested(UserSchema)


class SessionSchema(Schema):
    id = Id()
    created_at = Time()
    last_used_at = Time()
    expires_at = Time()
    address = fields.String(metadata={"example": "192.0.2.7"})
    agent = fields.String(metadata={"example": "curl/8.5.0"})
    current = Boolean()


class TokenSchema(RequestSchema):
    """A personal access token."""

    id = Id(dump_only=True)
    name = fields.String(
        required=True, pre_load=trim, validate=one_line(100), metadata={"example": "backup script"}
    )
    scope = fields.String(required=True, validate=OneOf(SCOPES))
    prefix = fields.String(dump_only=True, metadata={"example": "tsk_Zk3vQ1"})
    created_at = Time(dump_only=True)
    expires_at = Time(allow_none=True, metadata={"example": "2999-01-01T00:00:00Z"})
    last_used_at = Time(dump_only=True, allow_none=True)


class CreatedTokenSchema(TokenSchema):
    token = fields.String(dump_only=True, metadata={"example": "tsk_…"})


class ResetTokenSchema(Schema):
    token = fields.String()
    expires_at = Time()
