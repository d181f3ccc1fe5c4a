"""Reports on runs: an HTML page, Markdown, figures, a notebook view and a terminal view."""
