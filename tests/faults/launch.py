"""The streamapp command with something planted: `python -m tests.faults.launch MODULE:FUNCTION[,…] run pipeline.yaml`."""

import sys
from importlib import import_module


def main() -> None:
    for plant in sys.argv.pop(1).split(","):
        module, _, name = plant.partition(":")
        getattr(import_module(module), name)()
    from streamapp.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
