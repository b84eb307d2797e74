.DEFAULT_GOAL := help
.PHONY: help setup demo test test-browser check fix lock build deploy bench chaos mutants security cost release audit clean

# Any Python 3.13 will do, wherever it lives; it need not be the default python3.
CANDIDATES = python3.13 "$$PYENV_ROOT"/versions/3.13*/bin/python3.13 "$$HOME"/.pyenv/versions/3.13*/bin/python3.13 \
             /usr/local/bin/python3.13 /opt/*/bin/python3.13 python3 python
IS_3_13 = -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 13))'
FIND_PYTHON = for python in $(CANDIDATES); do \
                if "$$python" $(IS_3_13) >/dev/null 2>&1; then command -v "$$python"; break; fi; done

UV := .tools/bin/uv
RUN := PATH="$(CURDIR)/.venv/bin:$$PATH" SAM_CLI_TELEMETRY=0
# Hashes, but never an address: who installs chooses the registry.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.13 --generate-hashes \
           --no-header --no-annotate --no-emit-index-url --no-emit-find-links
DESK := cli/pyproject.toml lab/pyproject.toml --group layer --group test --no-emit-package headroom-cli
LAYER := --group layer --constraints requirements/desk.txt --no-emit-package boto3 --no-emit-package botocore --no-emit-package s3transfer

help:  ## Show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.ready  ## Make .venv from the locks (every other target does it by itself)

demo: .venv/.ready  ## A weekday morning, end to end (SPEED=40, UNTIL=09:15, STAY=1, TRACE=file DAY=2003-10-20)
	@$(RUN) headroom demo $(if $(SPEED),--speed $(SPEED)) $(if $(TRACE),--trace '$(TRACE)') $(if $(DAY),--day '$(DAY)') $(if $(UNTIL),--until '$(UNTIL)') $(if $(STAY),--stay)

test: .venv/.ready  ## All tests: the deployed stack, which lives by the clock, and beside it, as far as it leaves time, the others
	@echo "All tests, about eleven minutes on two processors; what they say comes as each half ends"
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target deployed-stack all-the-others

.PHONY: deployed-stack all-the-others
deployed-stack:
	@$(RUN) pytest tests/e2e

all-the-others:
	@$(RUN) nice -n 19 pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder tests/simulation tests/integration tests/unit

test-demo: .venv/.ready  ## A demo that is used: its page in the system's Chromium (demo/screens), every command of the documents
	@$(RUN) pytest -q tests/demo

check: .venv/.ready  ## Format, lint, types, template, state machines, every branch of the domain, locks; two at a time
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target types branches style template locks-in-step

.PHONY: types branches style template
types:
	$(RUN) mypy

branches:
	$(RUN) coverage run -m pytest -q tests/unit/domain tests/unit/test_policy_page.py && $(RUN) coverage report

style:
	$(RUN) ruff format --check
	$(RUN) ruff check

template:
	$(RUN) pytest -q tests/unit/test_agreement.py tests/unit/test_provisioning_stack.py tests/unit/test_network.py tests/unit/statemachines
	$(RUN) sam validate --lint
	$(RUN) sam validate --lint --template-file provisioning/template.yaml
	$(RUN) sam validate --lint --template-file network/template.yaml

fix: .venv/.ready  ## Let ruff repair what it can
	$(RUN) ruff check --fix
	$(RUN) ruff format

lock: $(UV)  ## Bring the locks up to date
	$(COMPILE) $(DESK) --upgrade --output-file requirements/desk.txt
	$(COMPILE) $(LAYER) --output-file layers/headroom/requirements.txt
	printf 'mutmut\npytest\npytest-timeout\nhypothesis\n' | $(UV) pip compile - --quiet --universal --upgrade --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --python-version 3.13 --output-file requirements/mutants.txt
	printf 'checkov\ncyclonedx-bom\npip-audit\npolicy-sentry\n' | $(UV) pip compile - --quiet --universal --upgrade --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --python-version 3.13 --output-file requirements/security.txt
	echo "uv" | $(UV) pip compile - --quiet --universal --upgrade --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --python-version 3.13 --output-file requirements/uv.txt

.PHONY: locks-in-step
locks-in-step: $(UV)
	@cp requirements/desk.txt .venv/desk.txt && cp layers/headroom/requirements.txt .venv/layer.txt
	@$(COMPILE) $(DESK) --output-file .venv/desk.txt && diff requirements/desk.txt .venv/desk.txt
	@$(COMPILE) $(LAYER) --output-file .venv/layer.txt && diff layers/headroom/requirements.txt .venv/layer.txt
	@echo "locks in step"

build: .venv/.ready  ## Put what Lambda gets under .aws-sam/build
	$(RUN) sam build

deploy: .venv/.ready  ## To your own AWS account: by five questions the first time, later with the answers it has (STACK=headroom)
	@$(RUN) headroom install $(if $(STACK),--stack '$(STACK)')

bench: .venv/.ready  ## Measure what the docs claim (TRACES=directory SEEDS=5 FIRST=101 DAYS=10 ONLY=families)
	@$(RUN) headroom bench $(if $(TRACES),'$(TRACES)') $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST)) $(if $(DAYS),--days $(DAYS)) $(if $(ONLY),--only $(ONLY))

chaos: .venv/.ready  ## Look for a schedule that cuts a call (N=10000000 of the kernel, MINUTES=60 of the workflows, DAYS=7 of ticks)
	@$(RUN) headroom chaos $(if $(N),--kernel $(N)) $(if $(MINUTES),--minutes $(MINUTES)) --days $(or $(DAYS),1) $(if $(FIRST),--first $(FIRST))
	@$(RUN) pytest -q --numprocesses auto --hypothesis-profile chaos --timeout 3600 tests/simulation/test_fuzz.py

mutants: .venv/.ready .tools/mutants/.ready  ## How many small mistakes in rules and planner the tests notice (docs/mutants.md)
	@$(RUN) headroom mutants .tools/mutants/bin/mutmut .tools/mutants/work

cost: .venv/.ready  ## What a month costs, from what played hours really used (docs/cost.md)
	@$(RUN) headroom cost

security: .venv/.ready .tools/security/.ready  ## What cfn-lint, checkov and AWS's list of actions say of the template (docs/scans.md)
	@$(RUN) headroom security .tools/security/bin/python

release: .venv/.ready .tools/security/.ready  ## One archive to install from without a checkout, built twice to the bit, with its bill of materials (dist)
	@$(RUN) headroom pack .tools/security/bin/python

audit: .tools/security/.ready  ## Whether a known weakness is in what is shipped, by the advisories that PyPI knows (needs the network)
	@.tools/security/bin/pip-audit --strict --require-hashes --disable-pip --requirement layers/headroom/requirements.txt

.tools/security/.ready: $(UV) requirements/security.txt
	@[ -x .tools/security/bin/python ] || $(UV) venv --quiet --python .tools/bin/python .tools/security
	@$(UV) pip sync --quiet --require-hashes --python .tools/security/bin/python requirements/security.txt
	@touch $@

.tools/mutants/.ready: $(UV) requirements/mutants.txt
	@[ -x .tools/mutants/bin/python ] || $(UV) venv --quiet --python .tools/bin/python .tools/mutants
	@$(UV) pip sync --quiet --require-hashes --python .tools/mutants/bin/python requirements/mutants.txt
	@touch $@

clean:  ## Remove everything a target made
	rm -rf .venv .tools .aws-sam demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

$(UV): requirements/uv.txt
	@python=$$($(FIND_PYTHON)); [ -n "$$python" ] || { echo "Headroom needs Python 3.13: install python3.13 and run this again."; exit 1; }; \
	echo "Fetching uv with $$python"; "$$python" -m venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.ready: $(UV) requirements/desk.txt cli/pyproject.toml lab/pyproject.toml
	@echo "Installing the desk's tools into .venv (about 550 MB, once)"
	@[ -x .venv/bin/python ] || $(UV) venv --quiet --python .tools/bin/python .venv
	@$(UV) pip sync --quiet --require-hashes requirements/desk.txt
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable ./cli --editable ./lab
	@touch $@
