# The ways in; `make` alone lists them. bootstrap.py does the work and says what is missing.
PYTHON ?= python3
PORT ?= 8501
VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run data test lint check bench model

help:
	@echo "make run    install what is missing and start the dashboard on http://localhost:$(PORT)"
	@echo "make data   download the chest films from Kaggle and remember them by name"
	@echo "make test   install what is missing, a browser too, and run every test"
	@echo "make lint   check the style"
	@echo "make check  lint and test: what CI runs"
	@echo "make model  train the model that comes with the project anew: DATA=folder of chest_xray NAME=its name"
	@echo "make bench  measure the main job; figures so far: benchmarks/README.md"

run:
	@$(PYTHON) bootstrap.py app
	@echo "PneumoScope: http://localhost:$(PORT)"
	@exec $(VENV)/python -m streamlit run dashboard/server.py --server.port $(PORT)

data:
	@$(PYTHON) bootstrap.py app
	@$(VENV)/python -m core.cli download

test:
	@$(PYTHON) bootstrap.py tests
	@$(VENV)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint:
	@$(PYTHON) bootstrap.py tests
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .

check: lint test

model:
	@$(PYTHON) bootstrap.py app
	@$(VENV)/python -m core.cli release --preset best --folds 3 --rule middle --data "$(DATA)" --name "$(NAME)"

bench:
	@$(PYTHON) bootstrap.py tests
	@$(VENV)/python -m benchmarks.main_job
