"""Writes docs/configuration.md from the settings' docstrings: `python docs/generate_configuration.py`."""

from pathlib import Path

from streamapp.config.reference import reference

if __name__ == "__main__":
    Path(__file__).with_name("configuration.md").write_text(reference(), encoding="utf-8")
