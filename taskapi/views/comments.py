"""Comments on tasks."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.conditional import check_if_match
from taskapi.db import transaction
from taskapi.listing import OLDEST_FIRST
from taskapi.models.comment import LISTING, Comment, comment_json
from taskapi.models.task import Task
from taskapi.paging import page_response
from taskapi.responses import entity
from taskapi.schemas.comment import CommentSchema
from taskapi.schemas.fields import PageQuery

comments = Api("comments", __name__, url_prefix="/api/v1/tasks/<id:task_id>/comments")

COMMENT = CommentSchema()
ONE = "/<id:comment_id>"


@comments.get("", caller="user", query=PageQuery(), is_page=True, returns=COMMENT)
def list_comments(caller: Caller, task_id: int, query: dict[str, Any]) -> Response:
    """List comments on a task, oldest first."""
    chosen = {"task_id": Task.visible_to(caller).get(task_id).id}
    return page_response(LISTING, query, chosen, comment_json, OLDEST_FIRST)


def _check_replay(caller: Caller, task_id: int, **_: Any) -> None:
    Task.visible_to(caller).get_to_write(task_id)


@comments.post(
    "",
    caller="user",
    body=COMMENT,
    is_idempotent=True,
    check_replay=_check_replay,
    status=201,
    returns=COMMENT,
)
def create_comment(caller: Caller, task_id: int, body: dict[str, Any]) -> Response:
    """Add a comment to a task."""
    with transaction():
        task = Task.visible_to(caller).get_to_write(task_id)
        comment = Comment.create(task, caller.id, body["text"])
        return entity(comment_json(comment), 201)


@comments.patch(ONE, caller="user", body=COMMENT, is_conditional=True, returns=COMMENT)
def update_comment(caller: Caller, task_id: int, comment_id: int, body: dict[str, Any]) -> Response:
    """Update a comment.

    Only its author can do this.
    """
    with transaction():
        task = Task.visible_to(caller).get_to_write(task_id)
        comment = Comment.of_task(task, comment_id)
        comment.require_author(caller)
        check_if_match(comment)
        comment.update(task, body["text"])
        return entity(comment_json(comment))


@comments.delete(ONE, caller="user", is_conditional=True)
def delete_comment(caller: Caller, task_id: int, comment_id: int) -> None:
    """Delete a comment.

    Only its author, owners of the project and admins can do this.
    """
    with transaction():
        task = Task.visible_to(caller).get_to_write(task_id)
        comment = Comment.of_task(task, comment_id)
        comment.require_author_or_owner(task, caller)
        check_if_match(comment)
        comment.delete(task)
