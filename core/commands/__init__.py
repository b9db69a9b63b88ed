"""What each command of the command line does; `core.cli` reads the words and catches the mistakes."""
