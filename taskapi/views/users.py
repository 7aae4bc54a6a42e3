"""Users: accounts and profiles."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.conditional import check_if_match
from taskapi.db import transaction
from taskapi.errors import Invalid
from taskapi.models import session, team, token
from taskapi.models.credentials import revoke_credentials
from taskapi.models.user import LISTING, User
from taskapi.paging import filters_of, page_response
from taskapi.responses import entity
from taskapi.schemas import user as schemas
from taskapi.schemas.auth import ResetTokenSchema
from taskapi.views.auth import check_current_password

users = Api("users", __name__, url_prefix="/api/v1/users")

USER = schemas.UserSchema()


@users.patch(
    "/me",
    caller="user",
    body=schemas.UpdateProfileSchema(),
    example={"email": "ana@example.org", "current_password": "Correct-Horse-7"},
    is_conditional=True,
    returns=USER,
    errors={409: "The username or e-mail is taken."},
)
def update_me(caller: Caller, body: dict[str, Any]) -> Response:
    """Update the current user."""
    check_current_password(caller, body.pop("current_password"))
    with transaction():
        user = User.lock(caller.id)
        check_if_match(user)
        user.update(body)
    return entity(USER.dump(user))


@users.delete(
    "/me",
    caller="user",
    body=schemas.DeleteAccountSchema(),
    is_conditional=True,
    errors={409: "This is the last active admin."},
)
def delete_me(caller: Caller, body: dict[str, Any]) -> None:
    """Delete the current user.

    The tasks are deleted as well.
    """
    check_current_password(caller, body["current_password"])
    with transaction():
        user = team.lock_user(caller.id)
        check_if_match(user)
        team.delete_user(user)


@users.get("", caller="admin", query=schemas.UserQuery(), is_page=True, returns=USER)
def list_users(caller: Caller, query: dict[str, Any]) -> Response:
    """List users."""
    return page_response(LISTING, query, filters_of(query), USER.dump)


@users.post(
    "",
    caller="admin session",
    body=schemas.CreateUserSchema(),
    example={"username": "ben", "password": "Correct-Horse-7", "role": "user"},
    status=201,
    returns=USER,
    headers=("Location",),
    errors={409: "The username or e-mail is taken."},
)
def create_user(caller: Caller, body: dict[str, Any]) -> Response:
    """Create a user."""
    user = User.build(**body)
    team.create_user(user)
    return entity(USER.dump(user), 201, f"/api/v1/users/{user.id}")


@users.get("/me", caller="user", is_conditional=True, returns=USER)
def get_me(caller: Caller) -> Response:
    """Get the current user."""
    return entity(USER.dump(User.get(caller.id)))


@users.get("/<user:user_id>", caller="user", is_conditional=True, returns=USER)
def get_user(caller: Caller, user_id: int) -> Response:
    """Get a user."""
    return entity(USER.dump(User.get(user_id)))


@users.patch(
    "/<id:user_id>",
    caller="admin",
    session_only=("role", "password"),
    body=schemas.UpdateUserSchema(),
    example={"is_active": True},
    is_conditional=True,
    returns=USER,
    errors={409: "A name is taken, or this is the last active admin."},
)
def update_user(caller: Caller, user_id: int, body: dict[str, Any]) -> Response:
    """Update a user."""
    current_password = body.pop("current_password", None)
    if user_id == caller.id and body.keys() & {"username", "email", "password"}:
        if current_password is None:
            raise Invalid({"current_password": ["Missing data for required field."]})
        check_current_password(caller, current_password)
    elif current_password is not None:
        raise Invalid({"current_password": ["Only for changes of your own names and password."]})
    if "password" in body:
        names = {name: body[name] for name in ("username", "email") if name in body}
        new_hash = User.get(user_id).hash_new_password(body.pop("password"), **names)
        body["password_hash"] = new_hash
    with transaction():
        user = team.lock_user(user_id)
        check_if_match(user)
        team.update_user(user, body)
        if "password_hash" in body:
            revoke_credentials(user_id)
        elif not user.is_active:
            session.end_all_sessions(user_id)
    return entity(USER.dump(user))


@users.post(
    "/<id:user_id>/reset-token", caller="admin session", status=201, returns=ResetTokenSchema()
)
def create_reset_token(caller: Caller, user_id: int) -> dict[str, Any]:
    """Create a password reset token.

    It works once, for an hour, and is shown only in this response.
    """
    secret, expires_at = token.create_reset(user_id)
    return {"token": secret, "expires_at": expires_at}


@users.delete(
    "/<id:user_id>",
    caller="admin",
    query=schemas.DeleteUserQuery(),
    is_conditional=True,
    errors={409: "This is the last active admin."},
)
def delete_user(caller: Caller, user_id: int, query: dict[str, Any]) -> None:
    """Delete a user.

    The tasks are deleted as well, unless `reassign_to` names their new owner.
    """
    new_owner_id = query.get("reassign_to")
    with transaction():
        user = team.lock_user(user_id, new_owner_id)
        check_if_match(user)
        team.delete_user(user, new_owner_id)
