# A small image of the gateway: Debian, CA certificates and one binary. It does not run as root.
#   docker build -t customers-gateway .
#   docker run --rm -p 4000:4000 customers-gateway      # with the embedded sandbox

FROM rust:1.95-bookworm AS build
WORKDIR /build
# Builds the dependencies with an empty program. Docker rebuilds this layer only when a manifest changes.
COPY Cargo.toml Cargo.lock build.rs ./
COPY sandbox/Cargo.toml sandbox/Cargo.toml
RUN mkdir -p src tests/gateway sandbox/src sandbox/tests/api \
    && echo 'fn main() {}' > src/main.rs \
    && echo 'fn main() {}' > sandbox/src/main.rs \
    && touch src/lib.rs tests/gateway/main.rs sandbox/src/lib.rs sandbox/tests/api/main.rs \
    && cargo build --release --locked
# The commit for `gateway_build_info`: docker build --build-arg GATEWAY_COMMIT=$(git rev-parse --short HEAD) .
ARG GATEWAY_COMMIT=unknown
ENV GATEWAY_COMMIT=$GATEWAY_COMMIT
# The default settings, which are embedded in the binary.
COPY config config
# The committed bundle of the playground, which is embedded as well.
COPY playground/dist playground/dist
COPY src src
COPY sandbox/src sandbox/src
# Copied files keep their modification times. These can be older than the build of the empty program, and cargo would
# then not rebuild.
RUN touch src/main.rs src/lib.rs sandbox/src/main.rs sandbox/src/lib.rs \
    && cargo build --release --locked

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="customers-gateway" \
      org.opencontainers.image.description="A GraphQL gateway over a REST Customers API" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# The CA certificates that verify an upstream over https.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/customers-gateway /usr/local/bin/customers-gateway
# Only GraphQL can be reached from outside. The admin listener and the sandbox listen on the container's loopback
# address. Pass credentials as environment variables of the container (GATEWAY__UPSTREAM__API_KEY), never in the image.
# These two variables override a settings file. So the health check always uses the address on which the gateway
# listens, although it does not read a file given by --config. To change the addresses, set these variables.
ENV GATEWAY__SERVER__LISTEN=0.0.0.0:4000 \
    GATEWAY__SERVER__ADMIN_LISTEN=127.0.0.1:4001
EXPOSE 4000
# A numeric user, so that a platform can verify without reading the image's /etc/passwd that it is not root.
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["customers-gateway", "health"]
ENTRYPOINT ["customers-gateway"]
