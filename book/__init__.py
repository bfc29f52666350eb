"""How the book is built: its commands, its Sphinx extension, its looks."""
