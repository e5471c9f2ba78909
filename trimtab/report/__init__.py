"""Results as people read them: a table, figures, one self-contained page, and two runs side by side."""

from trimtab.report.compare import compare_rows, compare_table
from trimtab.report.figures import write_figures
from trimtab.report.page import write_report
from trimtab.report.search.text import search_text
from trimtab.report.table import table, table_text

__all__ = ["compare_rows", "compare_table", "search_text", "table", "table_text", "write_figures", "write_report"]
