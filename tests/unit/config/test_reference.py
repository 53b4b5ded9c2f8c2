from pathlib import Path

from streamapp.config.keys import keys_of, sections
from streamapp.config.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_in_step_with_the_settings():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python docs/generate_configuration.py"


def test_every_key_has_a_meaning():
    silent = [
        f"{path}.{key.name}" for path, section in sections() for key in keys_of(section).values() if not key.description
    ]
    assert silent == []


def test_rows_read_well():
    page = reference()
    assert "| `bootstrap.servers` | text | `127.0.0.1:9092` | Comma-separated host:port list. |\n" in page
    assert "| `sasl.password` | secret text |  | SASL password;" in page
    assert "| `format` | `json` \\| `avro` | `json` | How predictions are written. |\n" in page
    assert "| `topics` | list of text | **required** | Input topics. |\n" in page
    assert "Longest wait of the oldest row for others to join. Microseconds. (at least 0) |\n" in page
    assert "## `features.views.<name>`\n" in page
