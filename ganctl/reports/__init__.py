"""Reports on runs, as an HTML page, Markdown, figures, a notebook view or a terminal view."""
