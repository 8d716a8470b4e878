# Two static binaries, each on scratch: the service, and with `--target loadtest` the load tool. The file names no target
# platform, so the image is built on, and for, the platform you ask for.
# An SBOM of one static file would be empty, so the scan includes the build context, whose Cargo.lock lists the crates.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
# A tag, so that the build also works without a registry. A release uses the digest in .github/base-image.
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm

FROM ${RUST_IMAGE} AS sources
WORKDIR /build
# Links the C library in. That needs an explicit --target, so that build scripts and procedural macros, which run here,
# stay dynamic.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# Empty sources of our own, so that the next layers contain only the dependencies and are reused until these files change.
COPY Cargo.toml Cargo.lock build.rs ./
COPY loadtest/Cargo.toml loadtest/
RUN mkdir -p src benches loadtest/src loadtest/benches/doctor loadtest/benches/generator \
    && touch src/lib.rs loadtest/src/lib.rs \
    && echo 'fn main() {}' | tee src/main.rs benches/http.rs loadtest/src/main.rs loadtest/benches/doctor/main.rs \
      > loadtest/benches/generator/main.rs

FROM sources AS build
RUN cargo build --profile image --locked --package shopfront --target "$(rustc -vV | sed -n 's/host: //p')"
# The commit, for /version. Not earlier, so that another commit reuses the dependencies.
ARG SHOPFRONT_REVISION=unknown
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --profile image --locked --package shopfront --target "$(rustc -vV | sed -n 's/host: //p')" \
    && mv target/*/image/shopfront /shopfront

FROM sources AS build-loadtest
RUN cargo build --release --locked --package loadtest --bin loadtest --target "$(rustc -vV | sed -n 's/host: //p')"
COPY src src
COPY loadtest loadtest
# The load tool contains the manifests.
COPY k8s/shopfront.yml k8s/custom-metrics-config.yaml k8s/
RUN touch src/lib.rs loadtest/src/lib.rs loadtest/src/main.rs \
    && cargo build --release --locked --package loadtest --bin loadtest --target "$(rustc -vV | sed -n 's/host: //p')" \
    && mv target/*/release/loadtest /loadtest

FROM scratch AS loadtest
COPY --from=build-loadtest /loadtest /loadtest
USER 65532:65532
ENTRYPOINT ["/loadtest"]

FROM scratch
COPY --from=build /shopfront /shopfront
USER 65532:65532
# Outside a container the default is loopback. This is a variable, so that a Deployment can set another address.
ENV SHOPFRONT_ADDRESS=0.0.0.0:9898,[::]:9898
EXPOSE 9898 9797
ENTRYPOINT ["/shopfront"]
