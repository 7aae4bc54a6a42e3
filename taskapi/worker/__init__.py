"""Background work: webhooks, imports, reminders, purges.

The queue is the database: a row is written in the transaction of the change, and a worker claims it
for some seconds. If a worker dies, its claim expires and another worker repeats the work, which is
idempotent.
"""
