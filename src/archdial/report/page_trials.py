"""The sections of the page about baselines and experiments."""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from archdial.report.comparison import Comparison, Method, comparison_figure
from archdial.report.experiments import Experiments, lambda_figure, relaxed_figure
from archdial.report.page_section import chart, section
from archdial.tasks.measure import ACCURACY


def trial_charts(comparison: Comparison | None, experiments: Experiments | None) -> dict[str, go.Figure]:
    """Return the figures of what is there, by the names that `trial_sections` places them under."""
    charts: dict[str, go.Figure] = {}
    if comparison:
        charts["comparison"] = comparison_figure(comparison)
    if experiments:
        charts |= {"lambda": lambda_figure(experiments), "relaxed": relaxed_figure(experiments)}
    return charts


def trial_sections(comparison: Comparison | None, experiments: Experiments | None) -> str:
    """Return the sections of what is there as HTML; nothing where nothing is."""
    return (_baselines(comparison) if comparison else "") + (_experiments(experiments) if experiments else "")


def _baselines(comparison: Comparison) -> str:
    device = f" on {comparison.device}" if comparison.device else ""
    note = (
        "What each method achieves within a latency budget: its best member by validation score counts, "
        "or for `drawn` the slowest. Open marks are best at no budget. The area is the mean "
        f"{_worth(comparison)}, over budgets from 0 to the latency of {comparison.full_name}; the "
        "hypervolume is the fraction of the box "
        f"up to that latency that its members dominate, regardless of selection. All latencies are measured{device}."
    )
    return section("Against baselines", note, chart("comparison") + _table(comparison))


def _worth(comparison: Comparison) -> str:
    """Return what the area is the mean of."""
    name = comparison.measure.name
    if comparison.measure.from_nothing:
        return f"{name}, as a fraction"
    return f"position between the worst {name} of all members (0) and that of {comparison.full_name} (1)"


def _table(comparison: Comparison) -> str:
    ratios = any(method.name == "random" for method in comparison.methods)
    headings = [
        "method",
        "evaluations",
        "hypervolume",
        "area",
        *(["area relative to random"] if ratios else []),
        f"best {comparison.measure.heading}",
    ]
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    rows = "\n".join(_row(comparison, method, ratios) for method in comparison.methods)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'


def _row(comparison: Comparison, method: Method, ratios: bool) -> str:
    ratio = comparison.area_to_random(method)
    volume = "–" if method.hypervolume is None else f"{method.hypervolume:.3f}"
    cells = [method.name, str(method.evaluations), volume, f"{method.area:.3f}"]
    cells += ["–" if ratio is None else f"{ratio:.3f}"] if ratios else []
    cells.append(comparison.measure.text(method.best.score) if method.best else "–")
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _experiments(experiments: Experiments) -> str:
    measure = experiments.measure
    apart = measure.apart(experiments.mean_difference)
    note = (
        f"Above: {measure.name} along λ, for gates optimised separately at each λ and for one hypernetwork for all"
        f"{_fall(experiments)}. Below: the relaxed network, all options weighted, against the discrete one derived "
        f"from it; the mean difference of their {'accuracies' if measure == ACCURACY else 'scores'} is {apart}."
    )
    return section("Along λ; relaxed and discrete", note, chart("lambda") + chart("relaxed"))


def _fall(experiments: Experiments) -> str:
    if experiments.fall is None:
        return "; with separate gates it never drops to chance"
    return "; from Λ on, separate gates stay at their lowest"
