# Small and unprivileged: the locked packages, the code, no tools for building or testing.
FROM python:3.11-slim AS packages
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN UV_PROJECT_ENVIRONMENT=/opt/venv UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 \
    uv sync --frozen --no-dev --no-cache --link-mode=copy

FROM python:3.11-slim
RUN groupadd --gid 10001 trialsite \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin trialsite \
    && install -d -o trialsite -g trialsite -m 0700 /var/lib/trialsite /var/lib/trialsite/backups /var/lib/trialsite/witness
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    TRIALSITE_VAR=/var/lib/trialsite PORT=8000
USER trialsite
EXPOSE 8000
CMD ["python", "manage.py", "help"]
