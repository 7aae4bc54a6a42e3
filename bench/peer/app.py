"""A task API in the style of a small FastAPI service, to compare ours with."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import bcrypt
import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    event,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET_KEY = os.environ["SECRET_KEY"]
DATABASE_URL = os.environ["DATABASE_URL"]
TOKEN_LIFE = timedelta(minutes=int(os.environ.get("ACCESS_TOKEN_EXPIRE_MINUTES", "30")))

# Database

# PostgreSQL is equally fast with 5, 10, 20 and 32 connections per worker, with the lowest latency
# at 32. SQLite has one writer, and is fastest with few connections.
is_sqlite = DATABASE_URL.startswith("sqlite")
engine = create_async_engine(DATABASE_URL, pool_size=5 if is_sqlite else 32, max_overflow=0)
new_session = async_sessionmaker(engine, expire_on_commit=False)

if is_sqlite:

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        """Set WAL mode, a busy timeout and durable commits."""
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "busy_timeout=15000", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()


class UTCDateTime(TypeDecorator[datetime]):
    """A time with a zone, which SQLite does not store."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None else None


# PostgreSQL returns zones itself, so it needs no conversion.
Timestamp = DateTime(timezone=True).with_variant(UTCDateTime(), "sqlite")
Id = BigInteger().with_variant(Integer(), "sqlite")


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    pass


async def create_tables() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    username: Mapped[str] = mapped_column(String(50), unique=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(60))
    role: Mapped[str] = mapped_column(String(10), default="user")
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)


class Task(Base):
    __tablename__ = "tasks"
    __table_args__ = (
        Index("ix_tasks_user_created", "user_id", "created_at", "id"),
        Index("ix_tasks_user_status_created", "user_id", "status", "created_at", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20), default="todo")
    priority: Mapped[str] = mapped_column(String(10), default="medium")
    due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text()).with_variant(JSON(), "sqlite"))
    completed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime] = mapped_column(Timestamp, default=now, onupdate=now)
    version: Mapped[int] = mapped_column(default=1)


# Schemas

Status = Literal["todo", "in_progress", "done"]
Priority = Literal["low", "medium", "high"]
Title = Annotated[str, Field(min_length=1, max_length=200)]


class Login(BaseModel):
    username: str
    password: str


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"


class TaskCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: Title
    description: str | None = Field(default=None, max_length=10_000)
    status: Status = "todo"
    priority: Priority = "medium"
    due_at: datetime | None = None
    tags: list[str] = Field(default=[], max_length=20)


class TaskUpdate(TaskCreate):
    title: Title = ""


class TaskRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    user_id: int
    title: str
    description: str | None
    status: Status
    priority: Priority
    due_at: datetime | None
    tags: list[str]
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class TaskPage(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    items: list[TaskRead]
    total: int
    skip: int
    limit: int


# Authentication


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]
bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/login")


async def get_current_user(session: Session, token: Annotated[str, Depends(bearer)]) -> User:
    try:
        user_id = int(jwt.decode(token, SECRET_KEY, algorithms=["HS256"])["sub"])
    except (jwt.InvalidTokenError, KeyError, ValueError):
        challenge = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, "Could not validate credentials", challenge) from None
    user = await session.get(User, user_id)
    if user is None or not user.is_active:
        raise HTTPException(401, "Inactive user")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


async def get_own_task(task_id: int, session: Session, user: CurrentUser) -> Task:
    task = await session.scalar(select(Task).where(Task.id == task_id, Task.user_id == user.id))
    if task is None:
        raise HTTPException(404, "Task not found")
    return task


OwnTask = Annotated[Task, Depends(get_own_task)]

# The API

app = FastAPI(title="Task API")


@app.post("/api/v1/auth/login")
async def login(credentials: Login, session: Session) -> Token:
    user = await session.scalar(select(User).where(User.username == credentials.username))
    if user is None or not await asyncio.to_thread(
        bcrypt.checkpw, credentials.password.encode(), user.password_hash.encode()
    ):
        raise HTTPException(401, "Incorrect username or password")
    claims = {"sub": str(user.id), "exp": now() + TOKEN_LIFE}
    return Token(access_token=jwt.encode(claims, SECRET_KEY, algorithm="HS256"))


@app.get("/api/v1/tasks", response_model=TaskPage)
async def list_tasks(
    session: Session,
    user: CurrentUser,
    status: Status | None = None,
    skip: Annotated[int, Query(ge=0, le=10_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    wanted = [Task.user_id == user.id]
    if status is not None:
        wanted.append(Task.status == status)
    newest = select(Task).where(*wanted).order_by(Task.created_at.desc(), Task.id.desc())
    items = (await session.scalars(newest.offset(skip).limit(limit))).all()
    total = await session.scalar(select(func.count()).select_from(Task).where(*wanted))
    return {"items": items, "total": total, "skip": skip, "limit": limit}


@app.post("/api/v1/tasks", response_model=TaskRead, status_code=201)
async def create_task(data: TaskCreate, session: Session, user: CurrentUser) -> Task:
    task = Task(**data.model_dump(), user_id=user.id)
    if task.status == "done":
        task.completed_at = now()
    session.add(task)
    await session.commit()
    return task


@app.get("/api/v1/tasks/{task_id}", response_model=TaskRead)
async def get_task(task: OwnTask) -> Task:
    return task


@app.patch("/api/v1/tasks/{task_id}", response_model=TaskRead)
async def update_task(data: TaskUpdate, session: Session, task: OwnTask) -> Task:
    changes = data.model_dump(exclude_unset=True)
    if "status" in changes and changes["status"] != task.status:
        task.completed_at = now() if changes["status"] == "done" else None
    for name, value in changes.items():
        setattr(task, name, value)
    task.version += 1
    await session.commit()
    return task
