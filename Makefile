# make demo   install into .venv and run the demonstration
# make test   install with the test tools and run every test (doctests and notebooks included)
# make cuda   install with the CUDA module as well, which needs nvcc; fails without
# make test-cuda   run just the tests that need a CUDA device; fails where there is none
# make sanitize-cuda   the same under compute-sanitizer
# make dev    editable install that rebuilds the extension whenever a C++ source has changed
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# What is installed: this folder, or a wheel built before (make test WHEEL=dist/topo_interp-...whl).
WHEEL ?= .
SOURCES := pyproject.toml constraints.txt $(shell find topo_interp cpp_ext -type f -not -name '*.pyc' 2>/dev/null)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTEST_ARGS ?=
BENCH_ARGS ?=
# Two processes; one that has nothing left takes tests of the other.
SIDE_BY_SIDE = -n 2 --dist worksteal
# pytest's exit code 5: no test is left, which is no fault where PYTEST_ARGS chose among them.
NONE_CHOSEN = $(if $(strip $(PYTEST_ARGS)),[ $$? = 5 ],false)
# Without the CUDA module unless asked: CMake's option, OFF, AUTO (where nvcc is found) or ON (fail without).
export TOPO_INTERP_CUDA ?= OFF

.PHONY: demo test test-fast test-giotto cuda test-cuda sanitize sanitize-cuda dev wheel bench bench-check notebooks-long calibrate lint clean

demo: $(VENV)/.installed
	$(BIN)/topo-interp demo

# The console script, not `python -m pytest`: the latter would put the source folder first on the import path.
test: $(VENV)/.installed-dev
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not alone" --junitxml=build/junit.xml $(PYTEST_ARGS) tests || $(NONE_CHOSEN)
	$(BIN)/pytest -m alone --junitxml=build/junit-alone.xml $(PYTEST_ARGS) tests || $(NONE_CHOSEN)
	$(BIN)/pytest --junitxml=build/junit-doctest.xml --doctest-modules --pyargs topo_interp

test-fast: $(VENV)/.installed-dev
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow and not alone" --ignore=tests/test_notebooks.py $(PYTEST_ARGS) tests

cuda: export TOPO_INTERP_CUDA = ON
cuda: $(VENV)/bin/python
	$(INSTALL) --upgrade --force-reinstall --no-deps "$(WHEEL)"
	$(INSTALL) "$(WHEEL)[dev]"
	touch $(VENV)/.installed $(VENV)/.installed-dev
	$(BIN)/python -c "import os; os.chdir('/'); import topo_interp; print(topo_interp.build_info()['cuda'])"

# By file: the others import gudhi and ripser, which a machine with a device need not have.
CUDA_TESTS = $(shell grep -rl --include='test_*.py' 'mark\.cuda' tests)
test-cuda: cuda
	TOPO_INTERP_REQUIRE_CUDA=1 $(BIN)/pytest -m cuda $(PYTEST_ARGS) $(CUDA_TESTS)

# On a device: reads and writes out of bounds, then races within blocks.
sanitize-cuda: cuda
	for tool in memcheck racecheck; do \
	    TOPO_INTERP_REQUIRE_CUDA=1 compute-sanitizer --tool $$tool --error-exitcode 1 $(BIN)/python $(BIN)/pytest -m cuda $(PYTEST_ARGS) $(CUDA_TESTS) || exit 1; \
	done

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python >= 3.10 is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(SOURCES)
	$(INSTALL) "$(WHEEL)"
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python $(SOURCES)
	$(INSTALL) "$(WHEEL)[dev]"
	touch $@ $(VENV)/.installed

# The programs that the benchmarks compare with.
$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(INSTALL) "$(WHEEL)[bench]"
	touch $@

# Rebuilding on import needs the build requirements in the environment itself, hence no build isolation.
dev: $(VENV)/bin/python
	$(INSTALL) "scikit-build-core>=0.10" "nanobind>=2.2,<4" cmake ninja
	$(INSTALL) --no-build-isolation -C editable.rebuild=true -C editable.verbose=false -e '.[dev]'

wheel: $(VENV)/bin/python
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# giotto-tda pins an old numpy and scikit-learn, so it gets an environment of its own; this shows that we live beside it.
test-giotto:
	$(PYTHON) -m venv $(VENV)-giotto
	$(VENV)-giotto/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    "$(WHEEL)" giotto-tda==0.6.2 giotto-ph pytest pytest-timeout
	$(VENV)-giotto/bin/pytest --junitxml=build/junit-giotto.xml tests/giotto

# The extension under AddressSanitizer and UndefinedBehaviorSanitizer (its tests), then ThreadSanitizer, which runs no
# tests but one script: two threads, one recipe, on clouds whose links are scanned by several threads too.
# A stock interpreter needs the runtime preloaded; the instrumented build lies before the installed one on the import path.
SANITIZED_BUILD = TOPO_INTERP_CUDA=OFF $(INSTALL) --no-deps --upgrade --no-build-isolation -C cmake.build-type=RelWithDebInfo -C install.strip=false
SANITIZED_TESTS ?= tests/geometry tests/homology/test_links.py tests/homology/test_links_of_graphs.py tests/homology/test_cycles.py tests/test_fuzz_native.py
# The device code run by the CPU takes minutes to compile with sanitizers.
SANITIZED_EMULATION ?= ON
sanitize: $(VENV)/.installed-dev
	$(INSTALL) "scikit-build-core>=0.10" "nanobind>=2.2,<4" cmake ninja
	$(SANITIZED_BUILD) -C cmake.define.TOPO_INTERP_SANITIZE=address,undefined \
	    -C cmake.define.TOPO_INTERP_CUDA_EMULATION=$(SANITIZED_EMULATION) -C build-dir=build/asan --target build/asan-site .
	PYTHONPATH=$(CURDIR)/build/asan-site LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" \
	    ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 OPENBLAS_NUM_THREADS=1 \
	    TOPO_INTERP_BUILD=$(CURDIR)/build/asan-site $(BIN)/pytest -q -m "not slow" --timeout=600 -p no:cacheprovider $(SANITIZED_TESTS)
	$(SANITIZED_BUILD) -C cmake.define.TOPO_INTERP_SANITIZE=thread -C cmake.define.TOPO_INTERP_CUDA_EMULATION=OFF \
	    -C build-dir=build/tsan --target build/tsan-site .
	PYTHONPATH=$(CURDIR)/build/tsan-site LD_PRELOAD="$$(g++ -print-file-name=libtsan.so)" TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
	    TOPO_INTERP_BUILD=$(CURDIR)/build/tsan-site OPENBLAS_NUM_THREADS=1 $(BIN)/python tests/sanitize/two_threads.py 60

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/demo.py
	$(BIN)/python benchmarks/distances.py
	$(BIN)/python benchmarks/geometry.py
	$(BIN)/python benchmarks/persistence.py
	$(BIN)/python benchmarks/comparison.py
	$(BIN)/python benchmarks/zigzag.py

# False claims on loop-free data, power on planted loops, uniform p-values, coverage of bands, speed; resumable.
calibrate: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/calibrate.py noise --out benchmarks/calibration
	$(BIN)/python benchmarks/calibrate.py power --out benchmarks/calibration
	$(BIN)/python benchmarks/calibrate.py uniform --out benchmarks/calibration
	$(BIN)/python benchmarks/calibrate.py coverage --out benchmarks/calibration
	$(BIN)/python benchmarks/calibrate.py limits --out benchmarks/calibration
	$(BIN)/python benchmarks/calibrate.py speed

# Notebook 04 with three seeds and a small transformer; the tables stay in notebooks/long/results by the hash of the run.
notebooks-long: $(VENV)/.installed-dev
	$(BIN)/python notebooks/long/learning_to_add.py

bench-check: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/check.py $(BENCH_ARGS)

lint: $(VENV)/bin/python
	$(INSTALL) ruff
	$(BIN)/ruff check topo_interp tests benchmarks

clean:
	rm -rf build dist $(VENV) $(VENV)-giotto
