# Prometheus where its own image cannot be pulled; same user, same program.
FROM scratch
COPY prometheus /bin/prometheus
USER 65534:65534
ENTRYPOINT ["/bin/prometheus"]
