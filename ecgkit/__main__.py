"""``python -m ecgkit``: the command line."""

from ecgkit.cli import main

if __name__ == "__main__":
    main()
