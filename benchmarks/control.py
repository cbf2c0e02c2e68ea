"""Does the dial do what it says: along λ measured latency falls; towards a corner the penalised kind goes.

    python benchmarks/control.py RUN [--count 24]

RUN is a searched family. Its own dial and, retrained on the same predictor and table, the other kind are looked at:
rays from the face opposite a corner of the simplex to that corner, and λ from end to end with the latency of the built
modules measured here, beside the cheapest and the dearest network of the space.
"""

from __future__ import annotations

import argparse
import json

import torch

from archdial.common.metrics import spearman
from archdial.comparing.measured import with_latency
from archdial.dial import OperationSimplex, Scalar
from archdial.families.family import Family
from archdial.families.redialling import redial
from archdial.families.storage import load_family


def along_lambda(family: Family, count: int, repeats: int) -> dict[str, object]:
    members = family.along(count)
    cost = family.costs["latency_ms"]
    cheapest, dearest = cost.extremes()
    best = max(family.archive, key=lambda evaluated: evaluated.accuracy).architecture
    architectures = [*(member.architecture for member in members), cheapest, dearest]
    timed = with_latency([family.member(architecture) for architecture in architectures], repeats=repeats)
    *measured, low, high = (member.latency_ms for member in timed)
    return {
        "lambda": [family.dial.low, family.dial.high],  # type: ignore[attr-defined]
        "measured_ms": [round(value, 3) for value in measured],
        "accuracy": [round(member.accuracy, 4) for member in members],
        "spearman": spearman(list(range(len(measured))), measured),
        "cheap_end/cheapest": measured[-1] / low,
        "accurate_end/dearest": measured[0] / high,
        "most_accurate_evaluated/dearest": cost.of(best) / cost.highest,
    }


def along_rays(family: Family, count: int) -> dict[str, object]:
    dial = family.dial
    assert isinstance(dial, OperationSimplex)
    rays = {}
    for kind in family.space.kinds:
        counts = [family.space.counts(family.at(z).architecture)[kind] for z in dial.ray(kind, count)]
        rays[kind] = {"counts": counts, "spearman": spearman(list(range(count)), counts)}
    middle = [z for z in dial.grid(200) if float(z.min()) >= 0.5 / len(dial.kinds)]
    alone = [max(family.space.counts(family.at(z).architecture).values()) for z in middle]
    choices = len(family.space.choices)
    return {"rays": rays, "positions_in_the_middle": len(middle), "on_one_option": sum(n == choices for n in alone)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument(
        "--plain", action="store_true", help="the papers' penalty on the simplex instead of the balanced one"
    )
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    family = load_family(options.run)
    scalar = family if isinstance(family.dial, Scalar) else redial(family, Scalar())
    asked = OperationSimplex(balanced=not options.plain)
    simplex = family if isinstance(family.dial, OperationSimplex) else redial(family, asked)
    result = {
        "lambda": along_lambda(scalar, options.count, options.repeats),
        "simplex": along_rays(simplex, options.count),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
