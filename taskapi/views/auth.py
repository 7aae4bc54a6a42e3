"""Authentication: registration, login, sessions, passwords and personal access tokens."""

from typing import Any

from flask import Response, request

from taskapi.api import Api
from taskapi.auth import (
    Caller,
    access_token,
    bearer,
    check_token,
    identify,
)
from taskapi.config import settings
from taskapi.db import transaction
from taskapi.errors import Conflict, Forbidden, Invalid, Unauthorized
from taskapi.inputs import FORM, JSON, load_form, parse_object
from taskapi.models import event, session, team, token
from taskapi.models.calendar import delete_calendar
from taskapi.models.credentials import authenticate, revoke_credentials
from taskapi.models.session import Session
from taskapi.models.user import User
from taskapi.paging import page_response
from taskapi.schemas import auth as schemas
from taskapi.schemas.fields import PageQuery, load
from taskapi.schemas.user import RegisterSchema, UserSchema

auth = Api("auth", __name__, url_prefix="/api/v1/auth")

USER, SESSION, TOKEN = UserSchema(), schemas.SessionSchema(), schemas.TokenSchema()
LOGIN, LOGIN_FORM = schemas.LoginSchema(), schemas.LoginFormSchema()
REFRESH, REFRESH_FORM = schemas.RefreshSchema(), schemas.RefreshFormSchema()


def _check_registration() -> None:
    if settings().registration == "closed":
        raise Forbidden("Registration is closed. Ask an admin for an account.")


@auth.post(
    "/register",
    caller="anyone",
    is_sign_in=True,
    gate=_check_registration,
    body=RegisterSchema(),
    status=201,
    returns=schemas.SignedInSchema(),
    errors={403: "Registration is closed.", 409: "The username or e-mail is taken."},
)
def register(body: dict[str, Any]) -> dict[str, Any]:
    """Register an account and log in."""
    user = User.build(**body)
    with transaction():
        team.create_user(user)
        return _signed_in(user)


@auth.post(
    "/login",
    caller="anyone",
    is_sign_in=True,
    body=LOGIN,
    forms=(LOGIN_FORM, REFRESH_FORM),
    example={"username": "ana", "password": "Correct-Horse-7"},
    accepts=(JSON, FORM),
    takes_raw_body=True,
    returns=schemas.SignedInSchema(),
    errors={401: "Incorrect username or password."},
)
def login(raw: bytes) -> dict[str, Any]:
    """Log in with a username or e-mail and a password."""
    if request.mimetype == FORM:
        body = load_form(raw, LOGIN_FORM, refresh_token=REFRESH_FORM)
        if "refresh_token" in body:
            return _refreshed(body["refresh_token"])
    else:
        body = load(LOGIN, parse_object(raw))
    name = body.get("username") or body["email"]
    user = User.by_name(name)
    if not authenticate(user, name, body["password"]) or user is None:
        raise _wrong_credentials()
    return _signed_in(user)


@auth.post(
    "/refresh",
    caller="anyone",
    is_sign_in=True,
    body=REFRESH,
    forms=(REFRESH_FORM,),
    accepts=(JSON, FORM),
    takes_raw_body=True,
    is_body_optional=True,
    returns=schemas.SignedInSchema(),
    errors={401: "The refresh token is missing, invalid or expired."},
)
def refresh(raw: bytes) -> dict[str, Any]:
    """Refresh an access token.

    The refresh token is replaced as well.
    """
    body: dict[str, Any] = {}
    if raw:
        is_form = request.mimetype == FORM
        body = load_form(raw, REFRESH_FORM) if is_form else load(REFRESH, parse_object(raw))
    credentials = body.get("refresh_token") or bearer()
    if credentials is None:
        raise Unauthorized("Send the refresh token in the body or as bearer token.")
    return _refreshed(credentials)


def _refreshed(credentials: str) -> dict[str, Any]:
    current = Session.refresh(credentials)
    event.act_as(current.user_id)
    user = User.get(current.user_id)
    if not user.is_active:
        raise Unauthorized("This session has ended.", code="TOKEN_REVOKED")
    return _tokens(user, current)


@auth.post("/logout", caller="optional", body=schemas.RefreshSchema(), is_body_optional=True)
def logout(caller: Caller | None, body: dict[str, Any]) -> None:
    """Log out of this session.

    The session is that of the access token, or that of the refresh token in the body.
    """
    if "refresh_token" in body:
        ended, _ = Session.of_token(body["refresh_token"])
        session.end_session(ended.user_id, ended.id, is_required=False)
        return
    caller = caller or identify(check_token())
    session.end_session(caller.id, caller.session_id or 0)


@auth.post("/logout-all", caller="session")
def logout_all(caller: Caller) -> None:
    """Log out of all sessions.

    The calendar feed is deleted as well.
    """
    with transaction():
        session.end_all_sessions(caller.id)
        delete_calendar(caller.id, is_required=False)


@auth.get("/sessions", caller="session", query=PageQuery(), is_page=True, returns=SESSION)
def list_sessions(caller: Caller, query: dict[str, Any]) -> Response:
    """List active sessions."""
    return page_response(
        session.LISTING,
        query,
        {"user_id": caller.id, "is_live": True},
        lambda row: SESSION.dump(row) | {"current": row.id == caller.session_id},
    )


@auth.delete("/sessions/<id:session_id>", caller="session")
def end_session(caller: Caller, session_id: int) -> None:
    """Revoke a session."""
    session.end_session(caller.id, session_id)


@auth.post(
    "/password",
    caller="session",
    body=schemas.ChangePasswordSchema(),
    errors={409: "The password was changed at the same time."},
)
def change_password(caller: Caller, body: dict[str, Any]) -> None:
    """Change the password.

    Every other session and every personal access token is revoked.
    """
    user = check_current_password(caller, body["current_password"])
    _set_password(user, body["new_password"], except_session=caller.session_id)


@auth.post(
    "/password/reset",
    caller="anyone",
    body=schemas.ResetPasswordSchema(),
    errors={409: "The password was changed at the same time."},
)
def reset_password(body: dict[str, Any]) -> None:
    """Reset a password with a reset token.

    Every session and every personal access token is revoked.
    """
    user = token.user_of_reset(body["token"])
    _set_password(user, body["new_password"], reset_token=body["token"])


@auth.get(
    "/tokens", caller="session", query=PageQuery(), is_page=True, returns=schemas.TokenSchema()
)
def list_tokens(caller: Caller, query: dict[str, Any]) -> Response:
    """List personal access tokens."""
    return page_response(token.LISTING, query, {"user_id": caller.id}, TOKEN.dump)


@auth.post(
    "/tokens", caller="session", body=TOKEN, status=201, returns=schemas.CreatedTokenSchema()
)
def create_token(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    """Create a personal access token.

    The token is shown only in this response.
    """
    made, secret = token.create_token(caller.id, caller.role, **body)
    return {**TOKEN.dump(made), "token": secret}


@auth.delete("/tokens/<id:token_id>", caller="session")
def delete_token(caller: Caller, token_id: int) -> None:
    """Revoke a personal access token."""
    token.delete_token(caller.id, token_id)


def check_current_password(caller: Caller, password: str) -> User:
    """Return the caller, or raise Invalid for a wrong password, which counts as a failed login."""
    user = User.get(caller.id)
    if not authenticate(user, user.name, password):
        raise Invalid({"current_password": ["Incorrect password."]})
    return user


def _set_password(
    user: User, password: str, *, except_session: int | None = None, reset_token: str | None = None
) -> None:
    old_hash, new_hash = user.password_hash, user.hash_new_password(password, "new_password")
    with transaction():
        user = User.lock(user.id)
        if reset_token is not None:
            token.user_of_reset(reset_token)  # raises if it was used meanwhile
        if user.password_hash != old_hash:
            raise Conflict("The password was changed at the same time.")
        user.update({"password_hash": new_hash})
        revoke_credentials(user.id, except_session=except_session)


def _signed_in(user: User) -> dict[str, Any]:
    started = Session.start(user, request.user_agent.string)
    if started is None:
        raise _wrong_credentials()
    return _tokens(user, started)


def _tokens(user: User, current: Session) -> dict[str, Any]:
    return {
        "access_token": access_token(user.id, current.id),
        "refresh_token": current.refresh_token,
        "token_type": "bearer",
        "expires_in": settings().access_token_expire_minutes * 60,
        "user": USER.dump(user),
    }


def _wrong_credentials() -> Unauthorized:
    return Unauthorized("Incorrect username or password.", code="INVALID_CREDENTIALS")
