"""What is stored, and the rules about it. Importing this names every table to the migrations."""

from taskapi.models import event, idempotency, session, task, throttle, token, user

__all__ = ["event", "idempotency", "session", "task", "throttle", "token", "user"]
