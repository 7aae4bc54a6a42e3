"""The errors that rules raise. error_handlers.py turns them into responses."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An error with its status, code and message."""

    status = 400
    code = "BAD_REQUEST"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.details = details
        self.headers = dict(headers or {})


class Invalid(ApiError):
    """Invalid fields or parameters: `{name: [messages]}`."""

    code = "VALIDATION_ERROR"

    def __init__(self, messages: Mapping[str, list[str]], **place: int):
        name, (first, *_) = next(iter(messages.items()))
        where = "".join(f"{key} {number}: " for key, number in place.items())
        super().__init__(f"{where}{name}: {first}", details={**messages, **place})


class Unauthorized(ApiError):
    status = 401
    code = "UNAUTHORIZED"

    def __init__(self, message: str, *, code: str | None = None):
        super().__init__(message, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ApiError):
    status = 403
    code = "FORBIDDEN"


class NotFound(ApiError):
    status = 404
    code = "NOT_FOUND"

    def __init__(self, message: str = "Not found.", **more: Any):
        super().__init__(message, **more)


class Conflict(ApiError):
    status = 409
    code = "CONFLICT"


class PreconditionFailed(ApiError):
    status = 412
    code = "PRECONDITION_FAILED"


class TooLarge(ApiError):
    status = 413
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(ApiError):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class KeyReused(ApiError):
    status = 422
    code = "IDEMPOTENCY_KEY_REUSED"


class RateLimited(ApiError):
    status = 429
    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after: int):
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after))})


class Unavailable(ApiError):
    status = 503
    code = "SERVICE_UNAVAILABLE"

    def __init__(self, message: str):
        super().__init__(message, headers={"Retry-After": "5"})
