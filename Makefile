PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: setup demo test test-all check goldens regress bench stress clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) -e ".[dev]"
	touch $@

setup: $(VENV)/.installed-dev  ## everything that development needs, in $(VENV)

demo: $(VENV)/.installed  ## install, then the main job
	$(BIN)/smllmun-bench run --method smfa

test: setup  ## the suite, the promises of the shipped toy, then every method against the committed goldens
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope
	$(BIN)/smllmun-bench toy build --check
	$(BIN)/smllmun-bench regress --golden results/goldens/toy.json --jobs 2
	@cat .pytest_cache/d/real_model/line  # whether the real language model was used: said again, at the very end

test-all: setup  ## with the slow tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope -m "not gpu"

check: setup  ## format, lint, types, imports, every YAML
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/smllmun-bench validate

goldens: setup  ## rewrite the goldens; commit them alone and say why each number moved
	$(BIN)/smllmun-bench regress --golden results/goldens/toy.json --jobs 2 --update

bench: setup  ## ours against the usual way, on this machine
	for script in evaluation npo_step rouge scoring_scale draws data_scale startup overhead busy gpu; do $(BIN)/python bench/$$script.py; done

stress: setup  ## tries to break it: kills, full disks, damage, hostile names, malformed inputs; under 20 minutes
	$(BIN)/python tests/stress

clean:
	rm -rf $(VENV) build dist *.egg-info
