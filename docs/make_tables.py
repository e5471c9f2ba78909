"""Write the generated table of the README from the components' own docstrings.

python docs/make_tables.py            rewrite README.md
python docs/make_tables.py --check    exit 1 if it is out of date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from trimtab.catalogue import catalogue

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"(<!-- methods -->\n).*?(<!-- /methods -->)", re.DOTALL)


def methods_table() -> str:
    """Return the methods and label steps as a Markdown table."""
    lines = ["| name | kind | formula | paper | truth | file |", "|---|---|---|---|---|---|"]
    entries = catalogue()
    methods = {entry["name"] for entry in entries if entry["kind"] == "method"}
    for entry in entries:
        if entry["kind"] == "objective" and entry["name"] in methods:
            continue  # the method of the same name says it all
        formula = entry["formula"].splitlines()[0].split("  ")[0].rstrip(" ,").replace("|", "\\|")
        paper = re.sub(r"(.*?)\s+(https?://\S+)$", r"[\1](\2)", entry["paper"])
        file = entry["file"].rpartition("/")[2]
        lines.append(
            f"| `{entry['name']}` | {entry['kind']} | `{formula}` | {paper} | {entry['truth']} "
            f"| [{file}]({entry['file']}) |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Rewrite the README, or check it."""
    text = README.read_text("utf-8")
    wanted = BLOCK.sub(lambda found: found.group(1) + methods_table() + found.group(2), text)
    if "--check" in sys.argv:
        sys.exit("README.md is out of date: run python docs/make_tables.py" if wanted != text else 0)
    README.write_text(wanted, "utf-8")


if __name__ == "__main__":
    main()
