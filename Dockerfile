# syntax=docker/dockerfile:1

# What needs pip happens here; the final image gets the result only.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /venv
COPY requirements.txt /
RUN pip --python /venv/bin/python install --require-hashes --only-binary :all: -r /requirements.txt

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin taskapi
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# The one place that is written to, and only by SQLite: mount a volume there to keep it.
RUN python -m compileall -q taskapi migrations && install -d -o taskapi -g taskapi instance
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FLASK_APP=wsgi.py \
    TASKAPI_ENV=production \
    PORT=8000
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=2)"]
# No shell in between: SIGTERM reaches gunicorn, which then finishes what it has begun.
CMD ["gunicorn", "wsgi:app"]
