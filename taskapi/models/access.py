"""What proves who somebody is, and how all of it is taken back."""

from taskapi.database import Row, transaction
from taskapi.models import event, throttle, token
from taskapi.models.password import hash_password, is_outdated, is_password
from taskapi.models.session import end_all_sessions
from taskapi.models.user import REHASH


def authenticate(user: Row | None, name: str, password: str) -> Row | None:
    """The user if the password is theirs; a wrong, unknown and disabled one are all alike.

    The attempt counts as failed before the password is looked at, so that parallel guesses do
    not slip through, and is forgotten when it succeeds.
    """
    address = event.origin.get().address or ""
    throttle.count_attempt(user, name, address)
    known_hash = user.password_hash if user is not None and user.is_active else None
    is_right = is_password(password, known_hash)  # takes its time for nobody, too
    if user is None or not is_right:
        # What was typed as a name may be a password: only a user that exists is named.
        event.record("login.failed", user_id=user.id if user is not None else None)
        return None
    throttle.forget_failures(user, address)
    if is_outdated(user.password_hash):
        newer = hash_password(password)
        if REHASH.run(id=user.id, old_hash=user.password_hash, password_hash=newer):
            return user._replace(password_hash=newer)
    return user


def revoke_all(user_id: int, *, except_session: int = 0) -> None:
    """End the user's sessions, personal tokens and what could reset the password."""
    with transaction():
        token.DELETE_RESET.run(user_id=user_id)
        end_all_sessions(user_id, except_id=except_session)
        if token.DELETE_ALL.run(user_id=user_id):
            event.record("token.all_deleted", user_id=user_id)
