# The gateway as a small image: Debian, the certificate authorities, one binary; not root.
#   docker build -t customers-gateway .
#   docker run --rm -p 4000:4000 customers-gateway      # GraphQL over the embedded sandbox

FROM rust:1.95-bookworm AS build
WORKDIR /build
# The dependencies over an empty program: this layer is built again only when a manifest changes.
COPY Cargo.toml Cargo.lock build.rs ./
COPY sandbox/Cargo.toml sandbox/Cargo.toml
RUN mkdir -p src tests/gateway sandbox/src sandbox/tests/api \
    && echo 'fn main() {}' > src/main.rs \
    && echo 'fn main() {}' > sandbox/src/main.rs \
    && touch src/lib.rs tests/gateway/main.rs sandbox/src/lib.rs sandbox/tests/api/main.rs \
    && cargo build --release --locked
# Which commit this is, for `gateway_build_info`:  docker build --build-arg GATEWAY_COMMIT=$(git rev-parse --short HEAD) .
ARG GATEWAY_COMMIT=unknown
ENV GATEWAY_COMMIT=$GATEWAY_COMMIT
# The default settings are embedded in the binary.
COPY config config
# So is the playground, as it was built.
COPY playground/dist playground/dist
COPY src src
COPY sandbox/src sandbox/src
# Copied files keep their times, which may lie before those of the empty program; cargo goes by the time.
RUN touch src/main.rs src/lib.rs sandbox/src/main.rs sandbox/src/lib.rs \
    && cargo build --release --locked

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="customers-gateway" \
      org.opencontainers.image.description="A GraphQL gateway over a REST Customers API" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# The certificate authorities that an upstream over https is checked against.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/customers-gateway /usr/local/bin/customers-gateway
# Only GraphQL is reached from outside; the admin listener and the sandbox stay on the container's loopback. Credentials
# come with the container's environment when it is started (GATEWAY__UPSTREAM__API_KEY), never with the image.
# Both addresses stand here, and win over those of a file of settings: so the health check asks where the gateway listens,
# also where the file is given by --config, which the health check does not see. Change them by the same variables.
ENV GATEWAY__SERVER__LISTEN=0.0.0.0:4000 \
    GATEWAY__SERVER__ADMIN_LISTEN=127.0.0.1:4001
EXPOSE 4000
# A number, so that a platform can see without looking inside that it is not root.
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["customers-gateway", "health"]
ENTRYPOINT ["customers-gateway"]
