# syntax=docker/dockerfile:1
# A container with both programs, which serves /srv/site on port 8080: docs/installing.md.

FROM rust:1.95-slim-trixie AS build
WORKDIR /build
COPY . .
# What the caches hold is not in the image, so the programs are put elsewhere.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    . packaging/optimised && cargo build --release --locked --bins \
    && install -D --strip --target-directory=/out target/release/connegd target/release/mkroot

FROM debian:trixie-slim
COPY --from=build /out/ /usr/bin/
# Something to see until a site is mounted there.
COPY fixtures/sites/chart/ /srv/site/
# Nobody in particular: all that it needs is to read the site, and a /tmp to pack it into.
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["connegd"]
CMD ["--listen", "0.0.0.0:8080", "--ops", "127.0.0.1:9090", "--access-log", "-", "/srv/site"]
# Asks the server about itself, without a client that would have to be installed.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5m --start-interval=1s CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/9090 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
