"""Run the notebooks and keep their outputs: python examples/notebooks/execute.py [NAME ...]"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HOME = Path(__file__).parent
# Warnings are about the machine that runs the notebooks, and name its folders.
os.environ["PYTHONWARNINGS"] = "ignore"

for path in [HOME / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(HOME.glob("*.ipynb")):
    print(f"{path.name} …", flush=True)
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        how = {"resources": {"metadata": {"path": folder}}, "record_timing": False, "coalesce_streams": True}
        NotebookClient(notebook, **how).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    # Not the versions of Python and kernel, which say nothing about the outputs.
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)
