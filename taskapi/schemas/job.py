"""What lists of jobs and of events may be asked for."""

from taskapi.models.event import ACTIONS
from taskapi.models.job import STATUSES
from taskapi.schemas.fields import BIGGEST_ID, Choice, Digits, PageQuery, Time


class JobQuery(PageQuery):
    status = Choice(STATUSES)


class AuditQuery(PageQuery):
    actor = Digits(1, BIGGEST_ID)
    action = Choice(ACTIONS)
    since = Time()
