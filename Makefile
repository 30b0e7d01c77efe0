# The commands of this repository. Each is a line; what needs more is in .ci/.

.PHONY: build test lint fmt fuzz differential manyroutes mutate bench fuel ci

# make fuzz FUZZTIME=60s FUZZ=FuzzHello
FUZZTIME ?= 30s
FUZZ ?= .
# make differential DIFFTIME=2h DIFF=tls
DIFFTIME ?= 5m
DIFF ?= .
# make mutate PKG='./host/session ./host/loop' SAMPLE=100 SEED=2
PKG ?= ./host/upstream ./host/control
SAMPLE ?= 60
SEED ?= 1
FLOOR ?= 0
MUTATE ?=
BENCHTIME ?= 1s
# make test ARGS='-run TestRelay ./host/relay'
ARGS ?=

build: # the programs, into bin/
	go build -trimpath -o bin/ ./cmd/dwaar ./cmd/dwaar-bench

test: # install what the tests need, then all tests under the race detector
	.ci/install
	.ci/test $(ARGS)

lint: # formatting, vet, staticcheck, complexity, other platforms
	.ci/lint

fmt: # format in place
	go tool gofumpt -w $$(git ls-files -co --exclude-standard '*.go' ':!:*/testdata/*')

fuzz: # every fuzz target, or those that match FUZZ
	.ci/fuzz $(FUZZTIME) '$(FUZZ)'

differential: # what matchers refuse, sent to real servers, DIFFTIME for each of those that match DIFF
	.ci/install
	CI=1 DIFFTIME=$(DIFFTIME) go test -count=1 -v -timeout 0 -run 'TestServersGoOn/$(DIFF)' ./cmd/internal/differential

manyroutes: # a configuration of 100,000 routes is validated, and reloaded beside connections
	ROUTES=100000 go test -count=1 -v -run TestReloadsOfManyRoutes ./cmd/internal/e2e

mutate: # faults in the code of PKG, SAMPLE of them, and which ones its tests do not find
	go run ./cmd/internal/mutate -sample $(SAMPLE) -seed $(SEED) -floor $(FLOOR) $(MUTATE) $(PKG)

bench: # every benchmark
	.ci/bench $(BENCHTIME)

fuel: # what a unit of fuel takes, for every class of instructions and imports
	.ci/fuel

ci: # all of it, as it runs before a change lands
	.ci/run
