# Everything below sets itself up: python3, make, git and the package registries are all it needs.
# Quick the second time: what is there is not installed again.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What opencv-python needs on a bare Debian, and what the tests need beside it: a browser with Korean type, and a
# real RTSP server.
SYSTEM_RUN := libgl1 libglib2.0-0
SYSTEM_TEST := $(SYSTEM_RUN) chromium fonts-noto-cjk python3-gi gir1.2-gst-rtsp-server-1.0 \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
# What a broker of our own needs, as command:package, since there may be another Java than Debian's.
TOOLS_KAFKA := java:default-jre-headless mvn:maven
TOOLS_TEST := $(TOOLS_KAFKA) openssl:openssl
# Debian's packages of these start a server on port 80, now and after each boot. So they are unpacked, not installed.
SERVERS_TEST := nginx caddy

.PHONY: demo cluster gpu test slow soak chaos kafka lint prose docs bench clean
.DEFAULT_GOAL := demo

demo: $(VENV)/run.done ## play the bundled clip through the whole pipeline and show its events on a local page
	$(PY) -m lanewatch demo $(ARGS)

test: $(VENV)/test.done ## all tests but the slow proofs
	$(PY) -m benchmarks.yolo_weights
	$(PY) -m pytest -n 2 --dist worksteal $(ARGS)

slow: $(VENV)/test.done ## the slow tests: all stages as processes, samplers that hand over or are killed
	$(PY) -m pytest -m slow $(ARGS)

soak: $(VENV)/test.done ## the slow proof: four live cameras for 20 minutes in bounded, flat memory
	$(PY) -m benchmarks.memory $(ARGS)

chaos: $(VENV)/test.done ## the slow proofs of the Kafka runner: kill -9, a broker that stops, cameras that misbehave (about an hour)
	$(PY) -m benchmarks.chaos $(ARGS)

cluster: $(VENV)/run.done ## a cluster on this machine: a broker, two of each stage and the console, with the demo's events
	@$(call system,,$(TOOLS_KAFKA))
	$(PY) -m deploy.local_cluster $(ARGS)

kafka: $(VENV)/bin/python ## a broker on this machine, Apache Kafka, for trying things out: ARGS="--port 9092"
	@$(call system,,$(TOOLS_KAFKA))
	$(PY) -m deploy.kafka_server $(ARGS)

gpu: $(VENV)/run.done ## what detect nodes with a GPU and ultralytics' models need beside the rest: torch, 5 GB
	$(PIP) install --progress-bar off --quiet --constraint constraints.txt --editable ".[gpu]"

lint: $(VENV)/test.done ## ruff, strict mypy and the prose count
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PY) -m tests.prose

prose: $(VENV)/bin/python ## sentences above 30 words and a private idiom, in docstrings, comments and documentation
	$(PY) -m tests.prose $(ARGS)

docs: $(VENV)/docs.done ## the documentation as pages, in build/docs; a broken link or anchor is an error
	$(PY) -m sphinx -W --keep-going -n -q -j auto -c docs . build/docs
	@echo "== open build/docs/docs/index.html"

bench: $(VENV)/test.done ## the figures of the README, one table after the other (about 40 minutes)
	$(PY) -m benchmarks.yolo_weights
	$(PY) -m benchmarks.pipeline
	$(PY) -m benchmarks.detection
	$(PY) -m benchmarks.sampling
	$(PY) -m benchmarks.latency
	$(PY) -m benchmarks.start
	$(PY) -m benchmarks.motion_gate
	$(PY) -m benchmarks.tracking
	$(PY) -m benchmarks.events
	$(PY) -m benchmarks.frame_gaps
	$(PY) -m benchmarks.behaviours
	$(PY) -m benchmarks.kafka --stages

clean: ## the environment and everything that the demo wrote
	rm -rf $(VENV) var build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@echo "== making $(VENV)"
	python3 -m venv $(VENV) || { echo "python3 has no venv module; on Debian: apt-get install python3-venv"; exit 1; }

# Without --no-compile pip turns every file into bytecode, 10 s of work; Python does it for those that are imported.
$(VENV)/run.done: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(call system,$(SYSTEM_RUN))
	@echo "== installing Lanewatch with its dependencies (about a minute the first time)"
	$(PIP) install --no-compile --progress-bar off --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/test.done: Makefile pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(call system,$(SYSTEM_TEST),$(TOOLS_TEST))
	@$(call unpack,$(SERVERS_TEST))
	@echo "== installing Lanewatch with what its tests need (torch is large: some minutes the first time)"
	$(PIP) install --progress-bar off --quiet --constraint constraints.txt --editable ".[gpu,evaluation,test,notebooks]"
	@touch $(VENV)/run.done $@

$(VENV)/docs.done: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "== installing the documentation generator"
	$(PIP) install --progress-bar off --quiet --constraint constraints.txt $$($(PY) -c \
		"import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['docs'])")
	@touch $@

# Installs the Debian packages that are missing, and says so; elsewhere it says what is wanted.
define system
missing=""; \
if command -v dpkg-query >/dev/null; then \
  for package in $(1); do \
    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
  done; \
  for tool in $(2); do \
    command -v $${tool%%:*} >/dev/null || missing="$$missing $${tool##*:}"; \
  done; \
  if [ -n "$$missing" ]; then \
    echo "== installing from Debian:$$missing"; \
    $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
  fi; \
else echo "== no Debian here: please see that these are installed: $(1) $(2)"; fi
endef

# Unpacks the programs of Debian packages that are missing into the environment; elsewhere it says what is wanted.
define unpack
for package in $(1); do \
  PATH="$(VENV)/bin:$$PATH:/usr/sbin" command -v $$package >/dev/null && continue; \
  if command -v apt-get >/dev/null; then \
    echo "== unpacking from Debian: $$package"; \
    ( $(SUDO) apt-get update -qq && mkdir -p $(VENV)/debian && cd $(VENV)/debian && \
      apt-get -o APT::Sandbox::User=root download -qq $$package && \
      dpkg-deb --extract $${package}_*.deb . && rm $${package}_*.deb && \
      ln -sf ../debian/usr/*bin/$$package ../bin/$$package ) || exit 1; \
  else echo "== no Debian here: please see that this is installed: $$package"; fi; \
done
endef
