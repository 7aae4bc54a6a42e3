"""Work in the background: webhooks, imports, reminders, purges.

The queue is the database: a row is written in the transaction of the change that asks for the
work, and a worker claims it for some seconds. A worker that dies lets its claim lapse, and
another one repeats the work, which is written so that this does no harm.
"""
