"""What in the pages of `docs/` is made from the code: `uv run python -m docs.generate`."""
