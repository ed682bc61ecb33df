# The operator. Its packages are resolved outside, from uv.lock, into .build/site-packages: the build itself needs no
# network. See build.sh.
ARG BASE=python:3.13-slim
FROM $BASE

# Compiled here, since the root is read-only later. By hash and unchecked: a copy's time stamps mean nothing.
COPY .build/site-packages /app/site-packages
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/site-packages
COPY operator/sluice /app/sluice
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /app/sluice

# The user has no entry in /etc/passwd, and Kopf wants a name for itself.
ENV LOGNAME=sluice HOME=/tmp PYTHONPATH=/app:/app/site-packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["python3", "-m", "sluice"]
