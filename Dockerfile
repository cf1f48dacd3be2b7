# One image for web, worker and preparation; compose.yaml starts it as each.
FROM python:3.12-slim AS build
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

FROM python:3.12-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=site_config.settings.production \
    DATA_DIR=/data
RUN useradd --system --create-home vestnik && install -d -o vestnik -g vestnik /data
COPY --from=build /venv /venv
COPY . /app
WORKDIR /app
USER vestnik
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "site_config.wsgi:application", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--no-control-socket"]
