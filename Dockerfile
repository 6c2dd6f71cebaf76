# Two stages: build with the toolchain; run with nothing but the program, certificates and an empty /tmp.
ARG BUILD_IMAGE=rust:1-bookworm

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
RUN program=$(scripts/build-static) \
 && mkdir -p /out/usr/local/bin /out/etc/ssl/certs /out/tmp /out/work \
 && chmod 1777 /out/tmp \
 && cp "$program" /out/usr/local/bin/tunegate \
 && apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch
COPY --from=build /out/ /
ENV PATH=/usr/local/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["tunegate"]
CMD ["--help"]
