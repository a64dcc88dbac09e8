# make run    the demo gateway in a virtual environment of its own
# make test   what the tests need, then lint, types, import contracts and every test
# make lint | unit | client | wheel | clean

PYTHON ?= python3
VENV   := .venv
CLIENT := gateway/web/client
PIP    := $(VENV)/bin/pip --quiet --disable-pip-version-check install --constraint constraints.txt

.PHONY: run test lint unit client wheel clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed client
	@exec $(VENV)/bin/twistd -n consolegw

test: $(VENV)/.tested client
	@tests/support/packages.sh
	@$(MAKE) --no-print-directory lint
	@$(VENV)/bin/python -m tests.support.tally tests

# Everything but the tests that start real programs.
unit: $(VENV)/.tested client
	@$(VENV)/bin/python -m tests.support.tally $$(ls -d tests/*/ tests/test_*.py | grep -v -e interop -e support -e __pycache__)

lint: $(VENV)/.tested
	@$(VENV)/bin/ruff check --quiet gateway tests twisted setup.py
	@$(VENV)/bin/ruff format --quiet --check gateway tests twisted setup.py
	@$(VENV)/bin/mypy --strict --no-error-summary gateway
	@mkdir -p .work && $(VENV)/bin/lint-imports --no-logo > .work/lint-imports 2>&1 || { cat .work/lint-imports; exit 1; }
	@echo "lint: ruff, mypy --strict and the import contracts have nothing to say"

client: $(CLIENT)/vendor/novnc/package.json

wheel: $(VENV)/.tested client
	@rm -rf dist && mkdir -p .work
	@$(VENV)/bin/python -m build --outdir dist . > .work/build.log 2>&1 || { cat .work/build.log; exit 1; }
	@ls dist/*.whl

clean:
	rm -rf build dist *.egg-info .work $(CLIENT)/vendor $(CLIENT)/node_modules $(VENV)/.installed $(VENV)/.tested
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(VENV)/bin/pip:
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is missing: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Python 3.11 or later is needed (make PYTHON=python3.12)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

# Compat mode, because twistd does not find a plugin through the import hook of newer editable installs.
$(VENV)/.installed: pyproject.toml setup.py constraints.txt README.md | $(VENV)/bin/pip
	@echo "installing the gateway into $(VENV)"
	@$(PIP) --editable . --config-settings editable_mode=compat
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "installing what the tests need into $(VENV)"
	@$(PIP) --editable '.[test]' --config-settings editable_mode=compat
	@touch $@

$(CLIENT)/vendor/novnc/package.json: $(CLIENT)/package.json $(CLIENT)/package-lock.json $(CLIENT)/vendor.mjs
	@command -v npm > /dev/null || { echo "npm is missing: apt-get install npm" >&2; exit 1; }
	@echo "fetching the browser client"
	@cd $(CLIENT) && npm ci --ignore-scripts --silent && npm run --silent vendor && touch vendor/novnc/package.json
