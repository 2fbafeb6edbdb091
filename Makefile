# Each target makes .venv itself on a fresh machine; only Python 3.11–3.13 and make are needed.
PYTHON ?= python3
BIN := .venv/bin
RUN := runs/sample

.PHONY: demo test test-all mutants lint format
# Targets share one environment: under `make -j` they would fill it twice at once.
.NOTPARALLEL:

demo: .venv/main  ## the embedded sample from nothing to a trained network, in runs/sample or the next number
	$(BIN)/python imdb_wiki_preparation.py --dataset sample --output_dir data/sample
	run_dir=$$($(BIN)/python -c 'from imdb_wiki.results import new_run_dir; print(new_run_dir("$(RUN)"))') && \
	$(BIN)/papermill imdb_wiki_gpu.ipynb $$run_dir/notebook.ipynb -p RUN_DIR $$run_dir -p READ_TEST_SPLIT True && \
	$(BIN)/python -c 'import json; from imdb_wiki.evaluation import summary; \
	  print(summary(json.load(open("'$$run_dir'/metrics.json")))); \
	  print("the executed notebook with all figures: '$$run_dir'/notebook.ipynb")'

# Three workers on two cores: while one waits, for a server or a killed process, two work.
test: lint  ## lint and tests; what decides whether a change may land
	$(BIN)/python -m pytest -p tests.branches -n 3 --dist loadscope --no-loadscope-reorder \
	  -m "not long"

test-all: lint  ## the same with the long campaigns
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

# Anew each time: mutmut does not ask new tests about the mutants that old ones let live. OpenCV's
# threads would not live on in its processes.
mutants: .venv/mutants  ## changes the code in 2,250 small ways: how many a test notices, by module
	rm -rf mutants
	OPENCV_FOR_THREADS_NUM=1 $(BIN)/mutmut run
	@$(BIN)/mutmut results --all true | awk -F ': ' ' \
	  { module = $$1; sub(/\.[^.]*$$/, "", module); sub(/^ */, "", module); all[module]++; all["all"]++ } \
	  $$2 == "killed" || $$2 == "timeout" { killed[module]++; killed["all"]++ } \
	  END { for (module in all) printf "%-32s %5d killed %4d survived %4.0f%%\n", module, killed[module], \
	    all[module] - killed[module], 100 * killed[module] / all[module] }' | sort

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/pyrefly check

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/main: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
	  f"Python 3.11, 3.12 or 3.13 is needed, this is {sys.version.split()[0]}; make PYTHON=python3.12 names another")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

# requirements-dev.txt includes the other files, whose pins change, too; but not these two.
.venv/dev: .venv/main $(filter-out %-cleanlab.txt %-mutants.txt,$(wildcard requirements*.txt))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

.venv/mutants: requirements-mutants.txt .venv/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-mutants.txt
	touch $@
