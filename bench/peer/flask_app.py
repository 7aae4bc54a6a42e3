"""A task API in the style of the Flask-SQLAlchemy and Flask-JWT-Extended documentation."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
from flask import Flask, abort, request
from flask_jwt_extended import JWTManager, create_access_token, current_user, jwt_required
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, String, Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

STATUSES = ("todo", "in_progress", "done")
PRIORITIES = ("low", "medium", "high")
Timestamp = DateTime(timezone=True)


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
jwt = JWTManager()


class User(db.Model):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    username: Mapped[str] = mapped_column(String(50), unique=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(60))
    role: Mapped[str] = mapped_column(String(10), default="user")
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)


class Task(db.Model):
    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20), default="todo")
    priority: Mapped[str] = mapped_column(String(10), default="medium")
    due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    completed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime] = mapped_column(Timestamp, default=now, onupdate=now)
    version: Mapped[int] = mapped_column(default=1)

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "user_id": self.user_id,
            "title": self.title,
            "description": self.description,
            "status": self.status,
            "priority": self.priority,
            "due_at": self.due_at and self.due_at.isoformat(),
            "tags": self.tags,
            "completed_at": self.completed_at and self.completed_at.isoformat(),
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "version": self.version,
        }


app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
app.config["JWT_SECRET_KEY"] = os.environ["SECRET_KEY"]
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(
    minutes=int(os.environ.get("ACCESS_TOKEN_EXPIRE_MINUTES", "30"))
)
db.init_app(app)
jwt.init_app(app)


@jwt.user_lookup_loader
def load_user(_header: dict[str, Any], claims: dict[str, Any]) -> User | None:
    return db.session.scalar(select(User).filter_by(id=int(claims["sub"]), is_active=True))


def read_task() -> dict[str, Any]:
    """Return the fields in the body, or respond with 400."""
    data = request.get_json()
    unknown = data.keys() - {"title", "description", "status", "priority", "due_at", "tags"}
    if unknown:
        abort(400, f"Unknown fields: {', '.join(unknown)}")
    if "title" in data:
        data["title"] = data["title"].strip()
        if not 1 <= len(data["title"]) <= 200:
            abort(400, "The title must have 1 to 200 characters.")
    if data.get("status", "todo") not in STATUSES:
        abort(400, "Unknown status.")
    if data.get("priority", "medium") not in PRIORITIES:
        abort(400, "Unknown priority.")
    if data.get("due_at"):
        data["due_at"] = datetime.fromisoformat(data["due_at"])
    return data


def get_own_task(task_id: int) -> Task:
    own = select(Task).filter_by(id=task_id, user_id=current_user.id)
    return db.one_or_404(own)


@app.post("/api/v1/auth/login")
def login() -> dict[str, Any]:
    data = request.get_json()
    user = db.session.scalar(select(User).filter_by(username=data["username"]))
    if user is None or not bcrypt.checkpw(data["password"].encode(), user.password_hash.encode()):
        abort(401, "Incorrect username or password")
    return {"access_token": create_access_token(identity=str(user.id)), "token_type": "bearer"}


@app.get("/api/v1/tasks")
@jwt_required()
def list_tasks() -> dict[str, Any]:
    tasks = select(Task).filter_by(user_id=current_user.id)
    if "status" in request.args:
        tasks = tasks.filter_by(status=request.args["status"])
    tasks = tasks.order_by(Task.created_at.desc(), Task.id.desc())
    limit = request.args.get("limit", 20, type=int)
    page = db.paginate(tasks, per_page=limit, max_per_page=100)
    return {
        "items": [task.to_dict() for task in page.items],
        "total": page.total,
        "skip": (page.page - 1) * page.per_page,
        "limit": page.per_page,
    }


@app.post("/api/v1/tasks")
@jwt_required()
def create_task() -> tuple[dict[str, Any], int]:
    data = read_task()
    if "title" not in data:
        abort(400, "A task needs a title.")
    task = Task(**{"tags": [], **data}, user_id=current_user.id)
    if task.status == "done":
        task.completed_at = now()
    db.session.add(task)
    db.session.commit()
    return task.to_dict(), 201


@app.get("/api/v1/tasks/<int:task_id>")
@jwt_required()
def get_task(task_id: int) -> dict[str, Any]:
    return get_own_task(task_id).to_dict()


@app.patch("/api/v1/tasks/<int:task_id>")
@jwt_required()
def update_task(task_id: int) -> dict[str, Any]:
    changes = read_task()
    task = get_own_task(task_id)
    if "status" in changes and changes["status"] != task.status:
        task.completed_at = now() if changes["status"] == "done" else None
    for name, value in changes.items():
        setattr(task, name, value)
    task.version += 1
    db.session.commit()
    return task.to_dict()
