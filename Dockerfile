# Two stages: build with the toolchain, run with nothing but the program and OpenBLAS.
ARG BUILD_IMAGE=rust:1-bookworm
ARG RUN_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential pkg-config libopenblas-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin tunegate

FROM ${RUN_IMAGE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libopenblas0-pthread \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 tunegate
COPY --from=build /src/target/release/tunegate /usr/local/bin/tunegate
USER tunegate
WORKDIR /work
ENTRYPOINT ["tunegate"]
CMD ["--help"]
