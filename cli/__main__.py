"""How is the command line called without its script? `python -m lossforge.cli`."""

from .main import main

main()
