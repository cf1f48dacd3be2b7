.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

help: ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
.PHONY: help
