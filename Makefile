# nearside: two commands. `make run` shows what it does; `make test` proves it.

GO        ?= go
PYTHON    ?= python3
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS    = -s -w -X nearside/command.Version=$(VERSION)
BIN        = nearside
PLATFORMS  = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

.PHONY: help run build test bench lint audit release clean need-go need-pip
.DEFAULT_GOAL := help

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build need-pip ## build, fetch the encoder's weights if absent, serve on 127.0.0.1:8810 with a small guide to ask
	@./$(BIN) models pull || echo "No weights: serving with the lexical fallback. 'nearside models pull' tries again." >&2
	@./$(BIN) serve --guide

build: need-go ## build ./nearside
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) .

test: need-go need-pip lint ## everything: lint, unit, race, slow sweeps, real clients; installs what is missing where it may
	@./scripts/test

bench: need-go ## the figures of the README, side by side in one run
	@./scripts/bench

lint: need-go ## gofmt, vet, staticcheck
	@out=$$(gofmt -l .); test -z "$$out" || { echo "gofmt these files (gofmt -w FILE):"; echo "$$out"; exit 1; }
	@$(GO) vet ./...
	@$(GO) tool staticcheck ./...

audit: need-go ## known vulnerabilities in the dependencies (needs the network)
	@$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...

release: need-go ## static binaries for five platforms with checksums, in dist/
	@GO='$(GO)' LDFLAGS='$(LDFLAGS)' PLATFORMS='$(PLATFORMS)' VERSION='$(VERSION)' ./scripts/release

clean: ## remove what was built
	@rm -rf $(BIN) dist

need-go:
	@command -v $(GO) >/dev/null || { echo "nearside needs Go 1.26. Install it: apt-get install -y golang-go (1.21 or newer fetches 1.26 by itself; on Debian 12 add -t bookworm-backports)"; exit 1; }

need-pip:
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo "The encoder's weights come through pip. Install it: apt-get install -y python3-pip"; exit 1; }
