"""Runs side by side, as a page, in Markdown, for print, in a notebook and in the terminal."""
