"""For every run of pytest in the repository, of notebooks too."""

pytest_plugins = ["book.nbval_text"]
