"""Users: one's own profile, and an admin's view of everybody."""

from typing import Any

from flask import Response

from taskapi.database import expect_wait, transaction
from taskapi.models import session, token
from taskapi.models.access import revoke_all
from taskapi.models.inheritance import no_such_heir, reassign_all
from taskapi.models.user import (
    BY_ID,
    LISTING,
    change_user,
    create_user,
    delete_user,
    hash_new_password,
    lock_user,
    user_by_id,
    user_json,
)
from taskapi.routes.auth import check_current_password
from taskapi.schemas import answers
from taskapi.schemas import user as schemas
from taskapi.web.answers import entity
from taskapi.web.identity import Caller
from taskapi.web.listing import answer_page, filters_of
from taskapi.web.preconditions import check_if_match
from taskapi.web.routing import Api

# A user may have very many tasks, and all of them go or change hands in one transaction.
DELETION_SECONDS = 600

users = Api("users", __name__, url_prefix="/api/v1/users")


@users.patch(
    "/me",
    who="user",
    body=schemas.ProfileChanges(),
    example={"email": "ana@example.org", "current_password": "Correct-Horse-7"},
    is_conditional=True,
    returns=answers.User(),
    errors={409: "The username or the e-mail is taken."},
)
def update_me(caller: Caller, body: dict[str, Any]) -> Response:
    """Change one's own username or e-mail."""
    check_current_password(caller, body.pop("current_password"))
    with transaction():
        user = lock_user(caller.id)
        check_if_match(user)
        return entity(user_json(change_user(user, body)))


@users.delete(
    "/me",
    who="user",
    body=schemas.Farewell(),
    is_conditional=True,
    errors={409: "This is the last active admin."},
)
def delete_me(caller: Caller, body: dict[str, Any]) -> None:
    """Delete one's own account and everything in it."""
    check_current_password(caller, body["current_password"])
    with transaction():
        user = lock_user(caller.id)
        check_if_match(user)
        expect_wait(DELETION_SECONDS)
        delete_user(user)


@users.get("", who="admin", query=schemas.UserQuery(), is_page=True, returns=answers.User())
def list_users(caller: Caller, query: dict[str, Any]) -> Response:
    """All users, page by page."""
    return answer_page(LISTING, query, filters_of(query), user_json)


@users.post(
    "",
    who="admin session",
    body=schemas.NewUser(),
    example={"username": "ben", "password": "Correct-Horse-7", "role": "user"},
    status=201,
    returns=answers.User(),
    headers={"Location": "Where the user is."},
    errors={409: "The username or the e-mail is taken."},
)
def add_user(caller: Caller, body: dict[str, Any]) -> Response:
    """Make a user, with a role."""
    user = user_json(create_user(**body))
    return entity(user, 201, f"/api/v1/users/{user['id']}")


@users.get("/me", who="user", is_conditional=True, returns=answers.User())
def get_me(caller: Caller) -> Response:
    """One's own profile."""
    return entity(user_json(user_by_id(caller.id)))


@users.get("/<user:user_id>", who="user", is_conditional=True, returns=answers.User())
def get_user(caller: Caller, user_id: int) -> Response:
    """One user: oneself, or anybody for an admin."""
    return entity(user_json(user_by_id(user_id)))


@users.patch(
    "/<id:user_id>",
    who="admin",
    session_only=("role", "password"),
    body=schemas.UserChanges(),
    example={"is_active": True},
    is_conditional=True,
    returns=answers.User(),
    errors={409: "A name is taken, or this is the last active admin."},
)
def update_user(caller: Caller, user_id: int, body: dict[str, Any]) -> Response:
    """Change a user's names, role, activity or password."""
    if "password" in body:
        names = {name: body[name] for name in ("username", "email") if name in body}
        renamed = user_by_id(user_id)._replace(**names)
        body["password_hash"] = hash_new_password(renamed, body.pop("password"))
    with transaction():
        user = lock_user(user_id)
        check_if_match(user)
        changed = change_user(user, body)
        if "password_hash" in body:
            revoke_all(user_id)
        elif not changed.is_active:
            session.end_all_sessions(user_id)
        return entity(user_json(changed))


@users.post(
    "/<id:user_id>/reset-token", who="admin session", status=201, returns=answers.ResetToken()
)
def create_reset_token(caller: Caller, user_id: int) -> dict[str, Any]:
    """A token, shown this once, with which the user sets a new password within an hour."""
    secret, expires_at = token.create_reset(user_by_id(user_id).id)
    return {"token": secret, "expires_at": expires_at}


@users.delete(
    "/<id:user_id>",
    who="admin",
    query=schemas.Departure(),
    is_conditional=True,
    errors={409: "This is the last active admin."},
)
def remove_user(caller: Caller, user_id: int, query: dict[str, Any]) -> None:
    """Delete a user, with their tasks or after handing them to somebody else."""
    heir_id = query.get("reassign_to")
    with transaction():
        user = lock_user(user_id, heir_id)
        if heir_id is not None and (heir_id == user_id or BY_ID.first(id=heir_id) is None):
            raise no_such_heir()
        check_if_match(user)
        expect_wait(DELETION_SECONDS)
        if heir_id is not None:
            reassign_all(user_id, heir_id)
        delete_user(user)
