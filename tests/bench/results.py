"""RESULTS.md: a part for each command that measures, rewritten by it alone."""

import re

from processes import HERE

PARTS = ["train", "scale", "serve", "capacity", "baked"]
PART = re.compile(r"<!-- (\w+) -->\n(.*?)\n<!-- end of \1 -->\n", re.DOTALL)


def write_part(name, text, folder=HERE):
    """Puts a command's part in the place of its older one."""
    file = folder / "RESULTS.md"
    parts = dict(PART.findall(file.read_text())) if file.exists() else {}
    parts[name] = text.strip("\n")
    kept = [f"<!-- {each} -->\n{parts[each]}\n<!-- end of {each} -->\n" for each in PARTS if each in parts]
    file.write_text("\n".join(kept))
