# The demo app and its load generator; standard library only.
ARG BASE=python:3.13-slim
FROM $BASE
COPY deploy/demo/app.py deploy/demo/httpd.py deploy/demo/load.py /app/
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /app
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["python3", "-S", "/app/app.py"]
