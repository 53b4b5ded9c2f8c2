"""`python -m streamapp`."""

from streamapp.cli.main import main

if __name__ == "__main__":
    main()
