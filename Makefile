# The work is done by scripts/; PYTHON chooses the interpreter that .venv is made from.
export PYTHON

.PHONY: help setup demo test lint bench

help:
	@echo "make setup   a virtual environment in .venv with the program and what it needs"
	@echo "make demo    analyses a recorded failure"
	@echo "make test    runs the tests"
	@echo "make lint    formatting, style, types, import rules"
	@echo "make bench   start-up and small-capture times beside a bare interpreter"

setup:
	@scripts/setup base

demo: setup
	@scripts/demo

test:
	@scripts/setup dev
	@scripts/need-tshark
	.venv/bin/pytest

lint:
	@scripts/setup dev
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

bench: setup
	@.venv/bin/python -m scripts.bench.startup
