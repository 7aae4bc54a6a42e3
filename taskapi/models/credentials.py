"""Checking a password, and revoking all credentials of a user."""

from taskapi.db import transaction
from taskapi.models import event, session, throttle, token
from taskapi.models.calendar import delete_calendar
from taskapi.models.password import is_password
from taskapi.models.user import User


def authenticate(user: User | None, name: str, password: str) -> bool:
    """Check the password; an unknown or disabled user is like a wrong password.

    The attempt is counted as failed before the password is checked, so that concurrent attempts
    cannot exceed the limit. A success resets the count.
    """
    address = event.origin.get().address or ""
    throttle.count_attempt(user, name, address)
    known_hash = user.password_hash if user is not None and user.is_active else None
    is_right = is_password(password, known_hash)  # takes the same time without a hash
    if user is None or not is_right:
        # Record existing users only: an unknown name may be a password typed by mistake.
        with transaction():
            event.record("login.failed", user_id=user.id if user is not None else None)
        return False
    throttle.reset_failures(user, address)
    user.rehash(password)
    return True


def revoke_credentials(user_id: int, *, except_session: int | None = None) -> None:
    """Revoke the user's sessions, personal access tokens, calendar feed and reset token."""
    with transaction():
        session.end_all_sessions(user_id, except_id=except_session)
        token.delete_all_tokens(user_id)
        delete_calendar(user_id, is_required=False)
