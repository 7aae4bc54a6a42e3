"""The Flask extensions, created here and bound to the application in the factory."""

from flask_cors import CORS
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    # Named constraints, so that a migration can drop them on every database.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# Without expire_on_commit an entity can still be read once its transaction is over.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate = Migrate()
jwt = JWTManager()
limiter = Limiter(get_remote_address, strategy="moving-window", in_memory_fallback_enabled=True)
cors = CORS(
    allow_headers=[
        *("Authorization", "Content-Type", "If-Match", "If-None-Match"),
        *("Idempotency-Key", "X-Request-ID"),
    ],
    expose_headers=[
        *("ETag", "Link", "Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed"),
        *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
    ],
    always_send=False,
    intercept_exceptions=False,  # after_request() covers errors as well
    vary_header=False,
    max_age=600,
)
