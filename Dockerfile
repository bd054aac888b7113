# Lifeboat's two programs, with what they start: PostgreSQL's client programs. age, zstd and jq are there for
# restores by hand (docs/restore-by-hand.md).
#   docker build --target lifeboat --build-arg VERSION=$(git describe --tags --always) -t lifeboat .
# The target stack adds the servers of the development stack, for docker-compose.yml.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ENV CGO_ENABLED=0
RUN go build -trimpath -ldflags "-X main.version=$VERSION" -o /out/lifeboat ./starter \
 && go build -trimpath -ldflags "-X main.version=$VERSION" -o /out/lifeboat-worker ./worker

FROM debian:12-slim AS lifeboat
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

FROM lifeboat AS stack
USER root
# Of the server's package only the programs are used: each database is made where the stack keeps its state.
RUN apt-get update \
 && mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends postgresql-15 pgbouncer \
 && rm -rf /var/lib/apt/lists/*
USER lifeboat

# What is built where nobody names a target.
FROM lifeboat
