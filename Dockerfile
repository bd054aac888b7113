# Lifeboat's two programs, with what they start: PostgreSQL's client programs. age, zstd and jq are there for
# restores by hand (docs/restore-by-hand.md).
#   docker build --build-arg VERSION=$(git describe --tags --always) -t lifeboat .
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ENV CGO_ENABLED=0
RUN go build -trimpath -ldflags "-X main.version=$VERSION" -o /out/lifeboat ./starter \
 && go build -trimpath -ldflags "-X main.version=$VERSION" -o /out/lifeboat-worker ./worker

FROM debian:12-slim
# Client programs must not be older than the servers: for newer ones, add apt.postgresql.org.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates postgresql-client-15 age zstd jq openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home lifeboat \
 && mkdir -p /etc/lifeboat /state \
 && chown lifeboat /etc/lifeboat /state
COPY --from=build /out/ /usr/local/bin/
USER lifeboat
ENV LIFEBOAT_CONFIG=/etc/lifeboat/lifeboat.yaml
CMD ["lifeboat-worker"]
