# Two static binaries, each on scratch: the service, and with `--target loadtest` the load tool. No target platform is
# named: the image is built on, and for, whatever platform is asked for.
FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /build
# The C library is linked in. A target must be given for that, so that build scripts and procedural macros, which run
# here, stay dynamic.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# First the dependencies alone, with empty sources of our own: their layer lasts until these change.
COPY Cargo.toml Cargo.lock build.rs ./
COPY loadtest/Cargo.toml loadtest/
RUN mkdir -p src benches loadtest/src loadtest/benches && touch src/lib.rs loadtest/src/lib.rs \
    && echo 'fn main() {}' | tee src/main.rs benches/http.rs loadtest/src/main.rs > loadtest/benches/generator.rs \
    && cargo build --release --locked --package shopfront --target "$(rustc -vV | sed -n 's/host: //p')"
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --package shopfront --target "$(rustc -vV | sed -n 's/host: //p')" \
    && cp target/*/release/shopfront /shopfront

FROM build AS build-loadtest
RUN cargo build --release --locked --package loadtest --target "$(rustc -vV | sed -n 's/host: //p')"
COPY loadtest loadtest
RUN touch loadtest/src/lib.rs loadtest/src/main.rs \
    && cargo build --release --locked --package loadtest --target "$(rustc -vV | sed -n 's/host: //p')" \
    && cp target/*/release/loadtest /loadtest

FROM scratch AS loadtest
COPY --from=build-loadtest /loadtest /loadtest
USER 65532:65532
ENTRYPOINT ["/loadtest"]

FROM scratch
COPY --from=build /shopfront /shopfront
USER 65532:65532
EXPOSE 9898
ENTRYPOINT ["/shopfront"]
