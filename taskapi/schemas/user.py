"""Users as they come in."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema

from taskapi.models.password import MAX_LENGTH
from taskapi.models.user import LISTING, ROLES, USERNAME, key_of
from taskapi.schemas.fields import (
    BIGGEST_ID,
    Choice,
    Digits,
    Fields,
    Flag,
    Opaque,
    PageQuery,
    Parameters,
    SortBy,
    Text,
    Truth,
)

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]{1,64}"
    r"@(?:[\w](?:[\w-]{0,61}[\w])?\.)+[\w-]{2,63}"
)


class Password(Opaque):
    """A password that is looked at, never kept; what makes one good is a rule of the model."""

    def __init__(self, **more: Any):
        super().__init__(MAX_LENGTH, **more)


class NewPassword(Password):
    """One that has to be good enough."""


class Username(Text):
    """ASCII letters, digits, `.`, `_` and `-`."""

    def __init__(self, **more: Any):
        super().__init__(50, shortest=3, **more)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        name: str = super()._deserialize(value)
        if not USERNAME.fullmatch(name):
            raise ValidationError("Must be 3 to 50 of the letters A-Z a-z, digits, '.', '_', '-'.")
        return name


class Email(Text):
    """An e-mail address; no mail is ever sent to it from here."""

    def __init__(self, **more: Any):
        super().__init__(254, shortest=3, **more)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        address: str = super()._deserialize(value)
        # Checked as it is compared, because what looks different may compare equal.
        key = key_of(address)
        if not _EMAIL.fullmatch(address) or not _EMAIL.fullmatch(key) or len(key) > self.longest:
            raise ValidationError("Must be an e-mail address.")
        return address


class Names(Fields):
    username = Username(allow_none=True)
    email = Email(allow_none=True)


class Registration(Names):
    password = NewPassword(required=True)
    shape: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"required": [name], "not": {"properties": {name: {"type": "null"}}}}
            for name in ("username", "email")
        ]
    }

    @validates_schema(skip_on_field_errors=True)
    def _need_a_name(self, data: dict[str, Any], **_: Any) -> None:
        if not (data.get("username") or data.get("email")):
            raise ValidationError({"username": ["A username or an e-mail is needed."]})


class NewUser(Registration):
    role = Choice(ROLES)
    is_active = Truth()


class UserChanges(Names):
    role = Choice(ROLES)
    is_active = Truth()
    password = NewPassword()
    current_password = Password()  # of an admin who changes their own account


class ProfileChanges(Names):
    current_password = Password(required=True)


class Farewell(Fields):
    current_password = Password(required=True)


class Departure(Parameters):
    reassign_to = Digits(1, BIGGEST_ID)


class UserQuery(PageQuery):
    sort_by = SortBy(LISTING.sorts, "id")
    role = Choice(ROLES)
    is_active = Flag()
    q = Text(200, shortest=0)
