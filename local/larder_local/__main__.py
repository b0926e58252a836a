"""``python -m larder_local`` is ``larder``."""

from larder_local.cli import main

if __name__ == "__main__":
    main()
