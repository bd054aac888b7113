# Lifeboat. `make help` lists what there is.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO      ?= go
TOOLS   := $(CURDIR)/.tools
# Pinned: a new version is a change like any other.
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
WORKFLOWCHECK := go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0

.PHONY: help setup build demo dev test race check fmt bench microbench chaos fuzz tools clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: packages with apt where we are root on Debian or Ubuntu
	@scripts/setup

build: setup ## Build bin/lifeboat and bin/lifeboat-worker
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/lifeboat ./starter
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/lifeboat-worker ./worker

demo: build ## Back up, verify, restore elsewhere and compare, on this machine (KEEP=1 keeps it up)
	bin/lifeboat demo

dev: build ## Run everything on this machine until Ctrl-C
	bin/lifeboat dev

test: setup ## Run all tests
	$(GO) test -timeout 25m -p 2 ./...

race: setup ## Run the quick packages under the race detector
	$(GO) test -race -timeout 25m -p 2 ./internal/archive ./internal/codec ./internal/config ./internal/notify/... ./internal/plan ./internal/postgres ./internal/seal ./internal/secret ./internal/signature ./internal/store/dir ./internal/workrecord ./activities ./workflows

check: setup tools ## Format, vet, lint, determinism of workflows, go.mod
	$(TOOLS)/golangci-lint fmt --diff
	$(GO) vet ./...
	$(TOOLS)/golangci-lint run
	$(TOOLS)/workflowcheck ./workflows/...
	$(GO) mod tidy -diff
	@echo "check: everything is as it should be"

fmt: tools ## Format the code
	$(TOOLS)/golangci-lint fmt

bench: build ## Measure against other ways to back up, on one database and one S3 server (BENCH_SIZE, BENCH_RUNS, BENCH_ONLY)
	@scripts/setup bench
	$(GO) build -trimpath -o bin/lifeboat-bench ./test/bench
	BENCH_WORKER=$(if $(BENCH_PROFILE),,bin/lifeboat-worker) bin/lifeboat-bench

microbench: setup ## Measure sealing and the archive alone
	$(GO) test -run '^$$' -bench . -benchtime 2s ./internal/seal ./internal/archive

chaos: setup ## Run the whole matrix of kills and faults (about an hour)
	GO="$(GO)" scripts/chaos

FUZZTIME ?= 1m
FUZZ := internal/config:FuzzParse internal/manifest:FuzzParseManifest internal/manifest:FuzzParseContents internal/manifest:FuzzParseRecords \
	internal/roster:FuzzParseOrder internal/roster:FuzzPeekCommand internal/signature:FuzzAllowedSigners internal/signature:FuzzVerify \
	internal/workrecord:FuzzOpen runbooks:FuzzRunbook
fuzz: setup ## Fuzz what is read from vaults and files, FUZZTIME (1m) each; what fails is kept in testdata/fuzz and fails make test from then on
	for one in $(FUZZ); do $(GO) test -run '^$$' -fuzz "^$${one#*:}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "./$${one%%:*}"; done

# The stamp's name holds the versions, so a new pin builds anew.
STAMP := $(TOOLS)/$(subst /,_,$(GOLANGCI_LINT)-$(WORKFLOWCHECK)).stamp
tools: $(STAMP)
$(STAMP):
	@mkdir -p $(TOOLS) && rm -f $(TOOLS)/*.stamp
	GOBIN=$(TOOLS) $(GO) install $(GOLANGCI_LINT)
	GOBIN=$(TOOLS) $(GO) install $(WORKFLOWCHECK)
	@touch $@

clean: ## Remove what was built
	rm -rf bin $(TOOLS)
