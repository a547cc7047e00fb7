# The work is done by scripts/; PYTHON chooses the interpreter that .venv is made from.
export PYTHON

.PHONY: help setup demo test lint bench captures fuzz soak

help:
	@echo "make setup   a virtual environment in .venv with the program and what it needs"
	@echo "make demo    analyses a recorded failure"
	@echo "make test    runs the tests"
	@echo "make lint    formatting, style, types, import rules"
	@echo "make bench   times us and our peers; BENCH_FULL=1 at full size, into docs/benchmarks.md"
	@echo "make soak    probes every scenario 20 times with 5 % loss; root, half an hour"
	@echo "make captures  makes the synthetic captures in captures/synthetic anew, byte for byte"
	@echo "make fuzz    looks for inputs that break a parser, FUZZ_SECONDS long (300)"

setup:
	@scripts/setup base

demo: setup
	@scripts/demo

test:
	@scripts/need-compiler
	@scripts/setup dev
	@scripts/need-tshark
	@scripts/need-network
	@scripts/need-interop
	@scripts/need-chromium
	.venv/bin/pytest -n 2

lint:
	@scripts/setup dev
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

bench:
	@scripts/need-compiler
	@scripts/setup base
	@.venv/bin/python -m scripts.bench

captures: setup
	@.venv/bin/python -m scripts.captures

fuzz:
	@scripts/need-compiler
	@scripts/setup dev
	.venv/bin/python -m fuzz --seconds $${FUZZ_SECONDS:-300}

soak:
	@scripts/setup dev
	@scripts/need-network
	PYTHONPATH=tests .venv/bin/python tests/soak.py
