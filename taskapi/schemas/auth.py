"""Sign-in, sessions and tokens as they come in."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from taskapi.models.token import SCOPES
from taskapi.schemas.fields import Choice, Fields, Text, Time
from taskapi.schemas.user import Password

Name = fields.String  # of any spelling: a wrong one is a failed login, not a faulty field


class Login(Fields):
    username = Name(validate=validate.Length(1, 320))
    email = Name(validate=validate.Length(1, 320))
    password = Password(required=True)

    @validates_schema(skip_on_field_errors=True)
    def _need_one_name(self, data: dict[str, Any], **_: Any) -> None:
        if ("username" in data) == ("email" in data):
            raise ValidationError({"username": ["Give either a username or an e-mail."]})


class LoginForm(Fields):
    """The OAuth2 password form; what it has beyond a name and a password is unused here."""

    username = Name(required=True, validate=validate.Length(1, 320))
    password = Password(required=True)
    grant_type = Choice(("password",))
    scope = fields.String()
    client_id = fields.String()
    client_secret = fields.String()


class Refresh(Fields):
    refresh_token = fields.String(validate=validate.Length(1, 200))


class PasswordChange(Fields):
    current_password = Password(required=True)
    new_password = Password(required=True)


class PasswordReset(Fields):
    token = fields.String(required=True, validate=validate.Length(1, 200))
    new_password = Password(required=True)


class NewToken(Fields):
    name = Text(100, required=True)
    scope = Choice(SCOPES, required=True)
    expires_at = Time(allow_none=True)
