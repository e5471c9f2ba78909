"""A search study as people read it: tables, figures, one page."""
