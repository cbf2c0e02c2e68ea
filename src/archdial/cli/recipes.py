"""archdial recipes: list the built-in recipes."""

from __future__ import annotations

from archdial.cli.app import app
from archdial.cli.options import Json
from archdial.cli.output import show


@app.command(epilog="Example: archdial recipes --json")
def recipes(json: Json = False) -> None:
    """List the built-in recipes."""
    from rich.table import Table

    from archdial.runs.recipe_file import read_yaml, recipe_names, recipe_text

    value = [{"name": name, "about": str(read_yaml(recipe_text(name)).get("about", ""))} for name in recipe_names()]
    table = Table(box=None, show_header=False)
    for row in value:
        table.add_row(row["name"], row["about"])
    show(value, table, as_json=json)
