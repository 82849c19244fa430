PYTHON ?= python3
BIN := .venv/bin
then = echo "So that a shell knows the command soilmoisture, type: source $(BIN)/activate"

demo: .venv/installed
	$(BIN)/soilmoisture demo
	@$(then)

real: .venv/installed
	$(BIN)/soilmoisture run --study uscrn
	@$(then)

test: .venv/for_tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

slow chaos servers first_steps: .venv/for_tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slow --timeout 3600 -rP -n 3 --dist loadfile --no-loadscope-reorder $(if $(filter-out slow,$@),soilmoisture_assets_tests/slow/$@)

chaos-short: .venv/for_tests
	SOILMOISTURE_CHAOS_SHORT=1 $(MAKE) chaos

ui: .venv/installed
	$(BIN)/soilmoisture ui $(if $(STUDY),--study $(STUDY))

lint: .venv/for_tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: .venv/for_docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

citation: .venv/citation
	.venv/citation/bin/cffconvert --validate

audit: .venv/for_tests
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[audit]'
	$(BIN)/pip-audit --skip-editable --local

# the small study, from its data to its report, with the oldest versions that pyproject.toml allows, or the newest there
# are (but for torch, whose newest is not everywhere to be had without 4 GB of CUDA)
lowest newest: %: .venv/%/installed
	data=$$(mktemp -d); SOILMOISTURE_DATA_DIR=$$data $(<D)/bin/soilmoisture run --study soilmoisture_assets_tests/integration/small.toml; \
	ended=$$?; rm -r $$data; exit $$ended

bench: .venv/for_tests
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

# what takes minutes says now and then that it goes on
talking = ( while sleep 15; do echo "  still installing: $$(du -sh .venv | cut -f1) in .venv"; done ) & beat=$$!; \
	$(1); ended=$$?; kill $$beat; exit $$ended
install = $(1)/pip install --quiet --constraint $(2) --editable '$(3)'

.venv/installed: pyproject.toml constraints.txt
	@echo "Installing into .venv: about 1.5 GB, some minutes"
	@$(call talking,$(PYTHON) -m venv .venv && $(call install,$(BIN),constraints.txt,.))
	touch $@

.venv/lowest/installed .venv/newest/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	sed -n 's/^    "\([A-Za-z0-9-]*\)>=\([0-9.]*\).*/\1==\2/p' pyproject.toml > $(@D)/versions.txt
	$(if $(findstring newest,$@),sed -n '/^torch==/p' constraints.txt > $(@D)/versions.txt)
	@$(call talking,$(call install,$(@D)/bin,$(@D)/versions.txt,.))
	touch $@

.venv/for_tests: .venv/installed
	@echo "Installing what the tests take"
	@$(call talking,$(call install,$(BIN),constraints.txt,.[dev]))
	touch $@

.venv/for_docs: .venv/installed
	@$(call talking,$(call install,$(BIN),constraints.txt,.[docs]))
	touch $@

.venv/citation:    # holds a jsonschema that is older than what others here take
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet cffconvert==2.0.0

.PHONY: demo real test slow chaos chaos-short servers first_steps ui lint docs citation audit lowest newest bench
