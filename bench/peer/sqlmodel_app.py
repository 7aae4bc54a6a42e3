"""A synchronous task API in the style of the SQLModel and FastAPI documentation."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import bcrypt
import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel
from sqlalchemy import ARRAY, BigInteger, Column, DateTime, String, Text
from sqlmodel import Field, Session, SQLModel, col, create_engine, func, select

SECRET_KEY = os.environ["SECRET_KEY"]
TOKEN_LIFE = timedelta(minutes=int(os.environ.get("ACCESS_TOKEN_EXPIRE_MINUTES", "30")))

engine = create_engine(os.environ["DATABASE_URL"])

Status = Literal["todo", "in_progress", "done"]
Priority = Literal["low", "medium", "high"]
Timestamp: Any = DateTime(timezone=True)


def now() -> datetime:
    return datetime.now(UTC)


class User(SQLModel, table=True):
    __tablename__ = "users"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger)
    username: str = Field(max_length=50, unique=True)
    email: str | None = Field(default=None, max_length=254, unique=True)
    password_hash: str = Field(max_length=60)
    role: str = Field(default="user", max_length=10)
    is_active: bool = True
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=10_000, sa_type=Text)
    status: Status = Field(default="todo", sa_type=String)
    priority: Priority = Field(default="medium", sa_type=String)
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    tags: list[str] = Field(default=[], max_length=20, sa_column=Column(ARRAY(Text)))


class Task(TaskBase, table=True):
    __tablename__ = "tasks"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger)
    user_id: int = Field(foreign_key="users.id", ondelete="CASCADE")
    completed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    updated_at: datetime = Field(default_factory=now, sa_type=Timestamp)
    version: int = 1


class TaskCreate(TaskBase):
    pass


class TaskPublic(TaskBase):
    id: int
    user_id: int
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class TaskUpdate(SQLModel):
    title: str | None = Field(default=None, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=10_000)
    status: Status | None = None
    priority: Priority | None = None
    due_at: datetime | None = None
    tags: list[str] | None = Field(default=None, max_length=20)


class TasksPublic(SQLModel):
    items: list[TaskPublic]
    total: int
    skip: int
    limit: int


class Login(BaseModel):
    username: str
    password: str


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/login")


def get_current_user(session: SessionDep, token: Annotated[str, Depends(oauth2_scheme)]) -> User:
    try:
        user_id = int(jwt.decode(token, SECRET_KEY, algorithms=["HS256"])["sub"])
    except (jwt.InvalidTokenError, KeyError, ValueError):
        challenge = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, "Could not validate credentials", challenge) from None
    user = session.get(User, user_id)
    if user is None or not user.is_active:
        raise HTTPException(401, "Inactive user")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


def get_own_task(task_id: int, session: SessionDep, user: CurrentUser) -> Task:
    task = session.exec(select(Task).where(Task.id == task_id, Task.user_id == user.id)).first()
    if task is None:
        raise HTTPException(404, "Task not found")
    return task


OwnTask = Annotated[Task, Depends(get_own_task)]

app = FastAPI(title="Task API")


@app.post("/api/v1/auth/login")
def login(credentials: Login, session: SessionDep) -> Token:
    user = session.exec(select(User).where(User.username == credentials.username)).first()
    if user is None or not bcrypt.checkpw(
        credentials.password.encode(), user.password_hash.encode()
    ):
        raise HTTPException(401, "Incorrect username or password")
    claims = {"sub": str(user.id), "exp": now() + TOKEN_LIFE}
    return Token(access_token=jwt.encode(claims, SECRET_KEY, algorithm="HS256"))


@app.get("/api/v1/tasks", response_model=TasksPublic)
def list_tasks(
    session: SessionDep,
    user: CurrentUser,
    status: Status | None = None,
    skip: Annotated[int, Query(ge=0, le=10_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Any:
    wanted = [col(Task.user_id) == user.id]
    if status is not None:
        wanted.append(col(Task.status) == status)
    newest = select(Task).where(*wanted).order_by(col(Task.created_at).desc(), col(Task.id).desc())
    items = session.exec(newest.offset(skip).limit(limit)).all()
    total = session.exec(select(func.count()).select_from(Task).where(*wanted)).one()
    return {"items": items, "total": total, "skip": skip, "limit": limit}


@app.post("/api/v1/tasks", response_model=TaskPublic, status_code=201)
def create_task(task: TaskCreate, session: SessionDep, user: CurrentUser) -> Any:
    db_task = Task.model_validate(task, update={"user_id": user.id})
    if db_task.status == "done":
        db_task.completed_at = now()
    session.add(db_task)
    session.commit()
    session.refresh(db_task)
    return db_task


@app.get("/api/v1/tasks/{task_id}", response_model=TaskPublic)
def get_task(task: OwnTask) -> Any:
    return task


@app.patch("/api/v1/tasks/{task_id}", response_model=TaskPublic)
def update_task(changes: TaskUpdate, session: SessionDep, task: OwnTask) -> Any:
    data = changes.model_dump(exclude_unset=True)
    if "status" in data and data["status"] != task.status:
        task.completed_at = now() if data["status"] == "done" else None
    task.sqlmodel_update(data)
    task.updated_at = now()
    task.version += 1
    session.add(task)
    session.commit()
    session.refresh(task)
    return task
