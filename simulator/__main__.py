"""``python -m simulator`` is the command ``audition``."""

from .cli import main

main()
