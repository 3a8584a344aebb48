"""`python -m identigen`."""

from identigen.cli import main

main()
