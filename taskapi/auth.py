"""Authentication: the caller of a request, from an access token or a personal access token."""

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

from taskapi.config import Settings, settings
from taskapi.db import DATABASE_ERRORS, ago, now
from taskapi.errors import Forbidden, Unauthorized, Unavailable
from taskapi.extensions import jwt
from taskapi.models import event, session, token

NAME = "taskapi"  # issuer and audience
CLAIMS = {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "type"}
TOUCH_MINUTES = 5
_ID = re.compile("[1-9][0-9]{0,17}")

log = logging.getLogger("taskapi.auth")


class Claims(NamedTuple):
    """The claims of an access token with a valid signature."""

    id: int  # of the user
    session_id: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated user, with the role and scope that the token allows."""

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
                raise insufficient_scope("The token needs scope 'admin'.")
            raise Forbidden("Admin role required.")

    def require_session(self) -> None:
        if self.scope is not None:
            raise insufficient_scope("Personal access tokens are not allowed here. Log in.")


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
        JWT_COOKIE_CSRF_PROTECT=False,  # there are no cookies, so no csrf claim
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=config.access_token_expire_minutes),
    )
    jwt.init_app(app)
    jwt.decode_key_loader(_decode_key)
    # Caches valid signatures. Expiry and session are still checked for each request.
    app.extensions["verified_claims"] = lru_cache(maxsize=4096)(_verify)


def access_token(user_id: int, session_id: int) -> str:
    made: str = create_access_token(str(user_id), additional_claims={"sid": session_id})
    return made


def bearer() -> str | None:
    """Return the bearer token; the scheme is case-insensitive."""
    scheme, _, credentials = request.headers.get("Authorization", "").strip().partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def check_token() -> Claims | Caller:
    """Verify the token. Only a personal access token needs the database for this."""
    credentials = bearer()
    if credentials is None:
        raise Unauthorized("Missing token. Send it as 'Authorization: Bearer <token>'.")
    is_personal = credentials.startswith(token.PREFIX)
    proof = _by_personal_token(credentials) if is_personal else _by_access_token(credentials)
    event.act_as(proof.id)
    return proof


def identify(proof: Claims | Caller) -> Caller:
    """Load the caller from the database, or raise Unauthorized."""
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
            log.warning("last_used_at was not updated", exc_info=True)


def _verify(credentials: str) -> Claims:
    for key in settings().secret_keys:
        g.decode_key = key
        try:
            decode_token(credentials)
            # Without the defaults that decode_token() adds for missing claims.
            claims: dict[str, Any] = pyjwt.decode(credentials, options={"verify_signature": False})
        except pyjwt.ExpiredSignatureError:
            raise _expired() from None
        except pyjwt.InvalidSignatureError:
            continue
        except Exception:  # the libraries raise many kinds for malformed tokens
            raise _invalid() from None
        if not _has_valid_claims(claims):
            raise _invalid()
        return Claims(int(claims["sub"]), claims["sid"], claims["exp"])
    raise _invalid()


def _decode_key(header: dict[str, Any], _: dict[str, Any]) -> str:
    # A header must not influence how the token is verified.
    if not header.keys() <= {"alg", "typ"}:
        raise pyjwt.InvalidTokenError
    key: str = g.decode_key
    return key


def _has_valid_claims(claims: dict[str, Any]) -> bool:
    """Require all claims with the right types; the libraries accept missing ones."""
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
