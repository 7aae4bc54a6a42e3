"""Jobs: how far it is, what takes longer than a request may."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.models.job import LISTING, Job, job_json
from taskapi.paging import answer_page, filters_of
from taskapi.schemas.job import JobQuery, JobSchema

jobs = Api("jobs", __name__, url_prefix="/api/v1/jobs")


@jobs.get("", who="user", query=JobQuery(), is_page=True, returns=JobSchema())
def list_jobs(caller: Caller, query: dict[str, Any]) -> Response:
    """One's own jobs, the newest first."""
    return answer_page(LISTING, query, {**filters_of(query), "user_id": caller.id}, job_json)


@jobs.get("/<id:job_id>", who="user", returns=JobSchema())
def get_job(caller: Caller, job_id: int) -> dict[str, Any]:
    """One job, and how far it is."""
    return job_json(Job.of_user(caller.id, job_id))
