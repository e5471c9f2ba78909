"""`python -m trimtab` is the command line: it works where the path of the environment holds a space."""

from trimtab.cli import main

main()
