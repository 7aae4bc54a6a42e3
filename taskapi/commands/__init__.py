"""The command line, `flask …`: one file for each group of commands."""

from taskapi.commands.backup import backup
from taskapi.commands.demo import demo
from taskapi.commands.doctor import doctor
from taskapi.commands.system import openapi, purge, worker
from taskapi.commands.tasks import tasks
from taskapi.commands.tokens import tokens
from taskapi.commands.users import users

COMMANDS = (users, tokens, tasks, worker, purge, doctor, backup, demo, openapi)
