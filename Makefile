# make demo   set up, fetch the embedded models and data, run the movie-sentiment study
# make test   set up, run the tests
PYTHON ?= python3
STAMP := .venv/.complete

.PHONY: setup test slow demo lint clean
.DELETE_ON_ERROR:

setup: $(STAMP)

# the stamp is written last, so that an interrupted set-up is done again
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Trimtab needs Python 3.11 or newer; this is %d.%d. Name another with: make PYTHON=python3.12" % sys.version_info[:2])'
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q -c constraints.txt -e ".[dev]"
	@touch $(STAMP)

demo: $(STAMP)
	.venv/bin/python -m trimtab demo

test: $(STAMP)
	.venv/bin/python -m trimtab assets fetch minilm-l6 smollm2-135m vader
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

slow: $(STAMP)
	.venv/bin/python -m trimtab assets fetch minilm-l6 smollm2-135m vader
	.venv/bin/python -m pytest -q -m slow

lint: $(STAMP)
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m pyright

clean:
	rm -rf .venv build *.egg-info
