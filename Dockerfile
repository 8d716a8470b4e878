# Two static binaries, each on scratch: the service, and with `--target loadtest` the load tool. No target platform is
# named: the image is built on, and for, whatever platform is asked for.
# An SBOM of one static file would be empty: the crates are in the context's Cargo.lock.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
# By digest, so that a push to the tag changes no build: the index of the tag's platforms. It was taken on 27 November 2026
# from several public repositories that pin the tag, since no registry could be asked. What a registry says of the tag today:
#   docker buildx imagetools inspect docker.io/library/rust:1.95-slim-bookworm --format '{{.Manifest.Digest}}'
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082

FROM ${RUST_IMAGE} AS sources
WORKDIR /build
# The C library is linked in. A target must be given for that, so that build scripts and procedural macros, which run
# here, stay dynamic.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# Empty sources of our own: the layers of the dependencies alone, which follow, last until these files change.
COPY Cargo.toml Cargo.lock build.rs ./
COPY loadtest/Cargo.toml loadtest/
RUN mkdir -p src benches loadtest/src loadtest/benches/generator && touch src/lib.rs loadtest/src/lib.rs \
    && echo 'fn main() {}' | tee src/main.rs benches/http.rs loadtest/src/main.rs > loadtest/benches/generator/main.rs

FROM sources AS build
RUN cargo build --release --locked --package shopfront --target "$(rustc -vV | sed -n 's/host: //p')"
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --package shopfront --target "$(rustc -vV | sed -n 's/host: //p')" \
    && mv target/*/release/shopfront /shopfront

FROM sources AS build-loadtest
RUN cargo build --release --locked --package loadtest --target "$(rustc -vV | sed -n 's/host: //p')"
COPY src src
COPY loadtest loadtest
RUN touch src/lib.rs loadtest/src/lib.rs loadtest/src/main.rs \
    && cargo build --release --locked --package loadtest --target "$(rustc -vV | sed -n 's/host: //p')" \
    && mv target/*/release/loadtest /loadtest

FROM scratch AS loadtest
COPY --from=build-loadtest /loadtest /loadtest
USER 65532:65532
ENTRYPOINT ["/loadtest"]

FROM scratch
COPY --from=build /shopfront /shopfront
USER 65532:65532
EXPOSE 9898 9797
ENTRYPOINT ["/shopfront"]
