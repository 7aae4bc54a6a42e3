"""Who is calling: a session's access token or a personal token, and what it may do."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import jwt as pyjwt
from flask import Flask, current_app, g, request
from flask_jwt_extended import create_access_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from taskapi.config import Settings, settings
from taskapi.db import DATABASE_ERRORS, ago, now, transaction
from taskapi.errors import Forbidden, Unauthorized, Unavailable
from taskapi.extensions import jwt
from taskapi.models import event, session, throttle, token
from taskapi.models.calendar import delete_calendar
from taskapi.models.password import is_password
from taskapi.models.user import User

NAME = "taskapi"  # issuer and audience
CLAIMS = {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "type"}
TOUCH_MINUTES = 5
_ID = re.compile("[1-9][0-9]{0,17}")

log = logging.getLogger("taskapi.auth")


class Claims(NamedTuple):
    """Of an access token whose signature is right."""

    id: int  # of the user
    session_id: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Caller:
    """A user at work, with the role that their token lets them have."""

    id: int
    role: str
    session_id: int | None = None
    scope: str | None = None  # of a personal token
    token_id: int | None = None

    @property
    def is_admin(self) -> bool:
        return self.role == "admin" and self.scope in (None, "admin")

    def require_admin(self) -> None:
        if not self.is_admin:
            if self.role == "admin":
                raise insufficient_scope("This token does not have the scope 'admin'.")
            raise Forbidden("Only an admin may do this.")

    def require_session(self) -> None:
        if self.scope is not None:
            raise insufficient_scope("A personal access token cannot do this. Log in.")


def insufficient_scope(message: str) -> Forbidden:
    return Forbidden(message, code="INSUFFICIENT_SCOPE")


def init_app(app: Flask, config: Settings) -> None:
    app.config.update(
        JWT_SECRET_KEY=config.secret_keys[0],
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_ENCODE_ISSUER=NAME,
        JWT_DECODE_ISSUER=NAME,
        JWT_ENCODE_AUDIENCE=NAME,
        JWT_DECODE_AUDIENCE=NAME,
        JWT_COOKIE_CSRF_PROTECT=False,  # there are no cookies, so no such claim
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=config.access_token_expire_minutes),
    )
    jwt.init_app(app)
    jwt.decode_key_loader(_decode_key)
    # Signatures once found right; expiry is still checked, and the session asked for, each time.
    app.extensions["verified_claims"] = lru_cache(maxsize=4096)(_verify)


def access_token(user_id: int, session_id: int) -> str:
    made: str = create_access_token(str(user_id), additional_claims={"sid": session_id})
    return made


def bearer() -> str | None:
    """What stands behind `Bearer`, in any letter case."""
    scheme, _, credentials = request.headers.get("Authorization", "").strip().partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def check_token() -> Claims | Caller:
    """What the token proves by itself; a personal token has to be looked up for that."""
    credentials = bearer()
    if credentials is None:
        raise Unauthorized("Log in and send the token as 'Authorization: Bearer …'.")
    is_personal = credentials.startswith(token.PREFIX)
    proof = _by_personal_token(credentials) if is_personal else _by_access_token(credentials)
    event.act_as(proof.id)
    return proof


def identify(proof: Claims | Caller) -> Caller:
    """The caller, as the database knows them now, or Unauthorized."""
    if isinstance(proof, Caller):
        return proof
    user = session.WITH_USER.first(session_id=proof.session_id, user_id=proof.id)
    if user is None or user.ended_at or user.expires_at <= now() or not user.is_active:
        raise Unauthorized("This session has ended. Log in again.", code="TOKEN_REVOKED")
    _touch(session.touch, proof.session_id, user.last_used_at)
    return Caller(proof.id, user.role, session_id=proof.session_id)


def _by_access_token(credentials: str) -> Claims:
    claims: Claims = current_app.extensions["verified_claims"](credentials)
    if claims.expires_at <= time.time():
        raise _expired()
    return claims


def _by_personal_token(credentials: str) -> Caller:
    user = token.WITH_USER.first(token_hash=token.digest(credentials))
    if user is None:
        raise _invalid()
    if user.expires_at is not None and user.expires_at <= now():
        raise _expired()
    if not user.is_active:
        raise Unauthorized("This token was revoked.", code="TOKEN_REVOKED")
    _touch(token.touch, user.token_id, user.last_used_at)
    return Caller(user.id, user.role, scope=user.scope, token_id=user.token_id)


def _touch(touch: Callable[[int], None], row_id: int, last_used_at: str | None) -> None:
    if last_used_at is None or last_used_at < ago(minutes=TOUCH_MINUTES):
        try:
            touch(row_id)
        except (*DATABASE_ERRORS, Unavailable):
            log.warning("could not note when a token was used", exc_info=True)


def authenticate(user: User | None, name: str, password: str) -> bool:
    """Check the password; an unknown or disabled user is like a wrong password.

    The attempt counts as failed before the password is checked, so that parallel guesses do not
    slip through, and is forgotten when it succeeds.
    """
    address = event.origin.get().address or ""
    throttle.count_attempt(user, name, address)
    known_hash = user.password_hash if user is not None and user.is_active else None
    is_right = is_password(password, known_hash)  # takes as long without a hash
    if user is None or not is_right:
        # What was typed as a name may be a password: only an existing user is named.
        with transaction():
            event.record("login.failed", user_id=user.id if user is not None else None)
        return False
    throttle.reset_failures(user, address)
    user.rehash(password)
    return True


def revoke_credentials(user_id: int, *, except_session: int | None = None) -> None:
    """End the user's sessions, personal tokens, calendar address and password reset."""
    with transaction():
        session.end_all_sessions(user_id, except_id=except_session)
        token.delete_all_tokens(user_id)
        delete_calendar(user_id, is_required=False)


def _verify(credentials: str) -> Claims:
    for key in settings().secret_keys:
        g.decode_key = key
        try:
            decode_token(credentials)
            # As the token has them: what is missing was filled in above.
            claims: dict[str, Any] = pyjwt.decode(credentials, options={"verify_signature": False})
        except pyjwt.ExpiredSignatureError:
            raise _expired() from None
        except pyjwt.InvalidSignatureError:
            continue
        except (
            pyjwt.PyJWTError,
            JWTExtendedException,
            ArithmeticError,
            ValueError,
            TypeError,
            RecursionError,
        ):
            raise _invalid() from None
        if not _is_ours(claims):
            raise _invalid()
        return Claims(int(claims["sub"]), claims["sid"], claims["exp"])
    raise _invalid()


def _decode_key(header: dict[str, Any], _: dict[str, Any]) -> str:
    # Nothing in a header gets to choose how the token is verified.
    if not header.keys() <= {"alg", "typ"}:
        raise pyjwt.InvalidTokenError
    key: str = g.decode_key
    return key


def _is_ours(claims: dict[str, Any]) -> bool:
    """The libraries fill in or ignore what is missing; we require all of it, of its kind."""
    return (
        claims.keys() >= CLAIMS
        and claims["type"] == "access"
        and isinstance(claims["jti"], str)
        and isinstance(claims["sub"], str)
        and _ID.fullmatch(claims["sub"]) is not None
        and all(type(claims[name]) is int for name in ("sid", "iat", "nbf", "exp"))
        and 0 < claims["sid"] < 2**63
        and claims["exp"] < 2**63
    )


def _expired() -> Unauthorized:
    return Unauthorized("This token has expired.", code="TOKEN_EXPIRED")


def _invalid() -> Unauthorized:
    return Unauthorized("Invalid token.", code="INVALID_TOKEN")
