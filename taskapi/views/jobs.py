"""Jobs: imports that run in the background."""

from typing import Any

from flask import Response

from taskapi.api import Api
from taskapi.auth import Caller
from taskapi.models.job import LISTING, Job
from taskapi.paging import filters_of, page_response
from taskapi.schemas.job import JobQuery, JobSchema

jobs = Api("jobs", __name__, url_prefix="/api/v1/jobs")

JOB = JobSchema()


@jobs.get("", caller="user", query=JobQuery(), is_page=True, returns=JOB)
def list_jobs(caller: Caller, query: dict[str, Any]) -> Response:
    """List jobs, newest first."""
    return page_response(LISTING, query, {**filters_of(query), "user_id": caller.id}, JOB.dump)


@jobs.get("/<id:job_id>", caller="user", returns=JOB)
def get_job(caller: Caller, job_id: int) -> Job:
    """Get a job and its progress."""
    return Job.of_user(caller.id, job_id)
