# consentd: every task of the project by name. `make` alone lists them.
#
# The recipes only call scripts of tools/scripts, so that each can be read, run and changed on its own.
# Variables: PREFIX and DESTDIR (install), ONLY (bench, reliability, fuzz), SEED (demo, reliability, fuzz), RUNS,
# SECONDS_MAX, FAULT_SECONDS and KEEP (fuzz; tools/scripts/fuzz.sh), ROUNDS (bench, reliability), COMPARISONS,
# EVENTS, POINTS, FLIPS, REPLACEMENTS, FAULTS, SOAK_SECONDS and CALLS (reliability), IMPORT_ROWS (bench,
# reliability), FILTER (test); RECIPIENTS, DURATION, SUSTAINED and FRESH (bench;
# tools/bench/README.md); CERTS, CLIENTS, NAMES and DAYS (dev-certs).

PREFIX  ?= /usr/local
DESTDIR ?=
ONLY    ?=
SEED    ?=
FILTER  ?=
ROUNDS  ?=

SWIFT   ?= swift
SCRIPTS := tools/scripts
BIN     := .build/release
PROGRAMS := consentd consentctl consent-load

export SWIFT ONLY SEED FILTER ROUNDS

.DEFAULT_GOAL := help
.PHONY: help deps build demo test check generate format bench instructions reliability fuzz operations dev-certs \
        sbom install clean

help: deps
	@printf 'consentd: a register of consents to marketing, and an index that answers from memory.\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@printf '\nStart with `make demo`. README.md tells the rest.\n'

deps: ## install the system libraries that are missing, or print the command to type
	@$(SCRIPTS)/install-deps.sh

build: deps ## build the programs, optimised, into .build/release
	$(SWIFT) build -c release

demo: build ## walk through the whole life of a consent, with real programs (SEED= varies the customers)
	@tools/demo/run.sh

test: deps ## run every test; ends with `N passed, N failed` (FILTER= runs some)
	@$(SCRIPTS)/test.sh

check: deps ## format, generated files, warnings, layers and tests: what a change must pass
	@$(SCRIPTS)/check.sh

generate: deps ## rewrite the files that come from Protocol/consent.schema
	$(SWIFT) build -c release --product protogen
	$(BIN)/protogen generate

format: deps ## format the Swift files in place
	@$(SCRIPTS)/format.sh --in-place

bench: build ## measure speed beside Redis, gRPC and PostgreSQL (ONLY=T1,T4 RECIPIENTS=); report in .build/bench
	@tools/bench/run.sh

instructions: build ## count the server's instructions a check under callgrind (CHECKS=)
	@tools/bench/instructions/run.sh

reliability: build ## every fault test at full length: kills, power, disk, peers, time, overload (ONLY= SEED=)
	@$(SCRIPTS)/reliability.sh

fuzz: deps ## fuzz what reads bytes of others, with libFuzzer (ONLY= SEED= RUNS= SECONDS_MAX= KEEP=1)
	@$(SCRIPTS)/fuzz.sh

operations: build ## check unit, alerts, dashboard and metrics with the tools that will read them
	@tools/operations/check.sh

dev-certs: deps ## make an authority and certificates for trying out TLS (CERTS= CLIENTS= NAMES= DAYS=)
	@$(SCRIPTS)/dev-certs.sh

sbom: build ## write the software bill of materials, CycloneDX in JSON, to .build/consentd.cdx.json
	@$(SCRIPTS)/sbom.sh

install: build ## copy programs, and bill of materials where made, to PREFIX (/usr/local; DESTDIR= stages)
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 $(addprefix $(BIN)/,$(PROGRAMS)) "$(DESTDIR)$(PREFIX)/bin/"
	[ ! -e .build/consentd.cdx.json ] || \
	    install -D -m 644 .build/consentd.cdx.json "$(DESTDIR)$(PREFIX)/share/consentd/consentd.cdx.json"

clean: ## remove everything that was built, the demo's and the benchmark's data included
	rm -rf .build
