"""The gunicorn settings of the service, without its database and worker."""

import os

bind = f"{os.environ['HOST']}:{os.environ['PORT']}"
workers = int(os.environ["WEB_CONCURRENCY"])
threads = 4
worker_class = "gthread"
reuse_port = True
preload_app = True
keepalive = 95
control_socket_disable = True
