"""`python -m sae_core` is `sae-explorer`."""

from sae_core.cli import main

if __name__ == "__main__":
    main()
