# A static binary on scratch. No target is named: the image is built on, and for, whatever platform is asked for.
FROM docker.io/library/rust:1.95-slim-bookworm AS build
WORKDIR /build
# The C library is linked in. A target must be given for that, so that build scripts and procedural macros, which run
# here, stay dynamic.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# First the dependencies alone, with empty sources of our own: their layer lasts until these three change.
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir src benches && touch src/lib.rs && echo 'fn main() {}' | tee src/main.rs > benches/http.rs \
    && cargo build --release --locked --target "$(rustc -vV | sed -n 's/host: //p')"
COPY src src
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --target "$(rustc -vV | sed -n 's/host: //p')" \
    && mv target/*/release/shopfront /shopfront

FROM scratch
COPY --from=build /shopfront /shopfront
USER 65532:65532
EXPOSE 9898
ENTRYPOINT ["/shopfront"]
