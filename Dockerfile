# syntax=docker/dockerfile:1

# Install with pip here, so that the final image does not contain it.
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
# Only SQLite writes, and only to instance/: mount a volume there to keep the data.
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
# Exec form, so that gunicorn receives SIGTERM and finishes running requests.
CMD ["gunicorn", "wsgi:app"]
