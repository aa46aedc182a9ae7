"""``python -m ecgkit`` is the same as ``ecgkit``."""

from ecgkit.cli import main

if __name__ == "__main__":
    main()
