"""Sign-in, sessions and tokens as they come in."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema

from taskapi.models.token import SCOPES
from taskapi.schemas.fields import Choice, Fields, Opaque, Text, Time
from taskapi.schemas.user import NewPassword, Password


class Name(Opaque):
    """Of any spelling: a wrong one is a failed login, not a faulty field."""

    def __init__(self, **more: Any):
        super().__init__(320, **more)


class Login(Fields):
    username = Name()
    email = Name()
    password = Password(required=True)
    shape: ClassVar[Mapping[str, Any]] = {
        "oneOf": [{"required": ["username"]}, {"required": ["email"]}],
        "examples": [{"username": "ana", "password": "Correct-Horse-7"}],
    }

    @validates_schema(skip_on_field_errors=True)
    def _need_one_name(self, data: dict[str, Any], **_: Any) -> None:
        if ("username" in data) == ("email" in data):
            raise ValidationError({"username": ["Give either a username or an e-mail."]})


class LoginForm(Fields):
    """The OAuth2 password form; what it has beyond a name and a password is unused here."""

    username = Name(required=True)
    password = Password(required=True)
    grant_type = Choice(("password",))
    scope = Opaque(1000, shortest=0)
    client_id = Opaque(1000, shortest=0)
    client_secret = Opaque(1000, shortest=0)


class RefreshForm(Fields):
    """The OAuth2 form that refreshes; clients send it to the one token URL that they know."""

    refresh_token = Opaque(200, required=True)
    grant_type = Choice(("refresh_token",), required=True)
    scope = Opaque(1000, shortest=0)
    client_id = Opaque(1000, shortest=0)
    client_secret = Opaque(1000, shortest=0)


class Refresh(Fields):
    refresh_token = Opaque(200)


class PasswordChange(Fields):
    current_password = Password(required=True)
    new_password = NewPassword(required=True)


class PasswordReset(Fields):
    token = Opaque(200, required=True)
    new_password = NewPassword(required=True)


class NewToken(Fields):
    name = Text(100, required=True, metadata={"example": "backup script"})
    scope = Choice(SCOPES, required=True)
    expires_at = Time(allow_none=True, metadata={"example": "2999-01-01T00:00:00Z"})
