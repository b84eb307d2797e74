"""Show what a replay found: a table for a terminal, the same figures for a program."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from statistics import mean
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from headroom_replay.names import HUNG, NAMES
from headroom_replay.score import Result, geometric_mean


def in_order(results: Iterable[Result]) -> list[Result]:
    """Sort by work, then as the policies are listed, then by seed: runs end in any order."""
    listed = {name: number for number, name in enumerate(NAMES)}
    return sorted(results, key=lambda each: (each.work, listed.get(each.policy, len(listed)), each.policy, each.seed))


def table_of(results: Sequence[Result], price: float | None = None) -> Table:
    """Return one line per policy, with the means over the seeds; `price` is what a node costs per hour."""
    results = in_order(results)
    works = {each.work for each in results}
    seeds = sorted({each.seed for each in results})
    drawn = f"{', '.join(sorted(works))}; means over {len(seeds)} seeds" if works else "Nothing replayed"
    table = Table(title=drawn, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    if len(works) > 1:
        table.add_column("work")
    table.add_column("policy", no_wrap=True)
    titles = ["rejected\nof 10⁴", "node-\nhours", "×\noracle", "starts", "s a day\nfull (p99)", "calls\ncut"]
    for title in [*titles, *(["cost"] if price is not None else []), "score"]:
        table.add_column(title, justify="right")
    for (work, policy), group in groupby(results, key=lambda each: (each.work, each.policy)):
        runs = list(group)
        hours = mean(each.node_hours for each in runs)
        table.add_row(
            *([work] if len(works) > 1 else []),
            policy,
            f"{mean(each.rejected_per_10k for each in runs):,.1f}",
            f"{hours:,.0f}",
            f"{mean(each.ratio for each in runs):.2f}",
            f"{mean(each.starts for each in runs):,.0f}",
            f"{mean(each.without_headroom for each in runs):,.0f}",
            str(sum(each.cut for each in runs)),
            *([f"{price * hours:,.0f}"] if price is not None else []),
            f"{mean(each.score for each in runs):.3f}",
        )
    return table


def score_table(results: Sequence[Result]) -> Table:
    """Return one line a policy: each work's score and calls turned away, the geometric mean, the least, and the worst draw."""
    works = sorted({each.work for each in results})
    seeds = len({each.seed for each in results})
    table = Table(title=f"score (rejected per 10,000), means over {seeds} seeds")
    table.add_column("policy")
    for title in [*works, "geometric mean", "least", "worst draw", "calls cut"]:
        table.add_column(title, justify="right")
    for name in (*NAMES, HUNG):
        runs = {work: [each for each in results if (each.work, each.policy) == (work, name)] for work in works}
        if not all(runs.values()):
            continue
        scores = [mean(each.score for each in runs[work]) for work in works]
        cells = [
            f"{score:.3f} ({mean(each.rejected_per_10k for each in runs[work]):,.1f})"
            for score, work in zip(scores, works, strict=True)
        ]
        cut = sum(each.cut for work in works for each in runs[work])
        worst = min(each.score for work in works for each in runs[work])
        table.add_row(name, *cells, f"{geometric_mean(scores):.3f}", f"{min(scores):.3f}", f"{worst:.3f}", str(cut))
    return table


def spread_table(results: Sequence[Result]) -> Table:
    """Return one line a work: each policy's geometric mean over the draws, its least and its most, and the calls turned away."""
    works, names = (
        sorted({each.work for each in results}),
        [name for name in NAMES if name in {e.policy for e in results}],
    )
    seeds = sorted({each.seed for each in results})
    table = Table(
        title=f"score of draws {', '.join(map(str, seeds))}: geometric mean, least to most (rejected per 10,000)",
        box=SIMPLE_HEAD,
    )
    table.add_column("family")
    for name in names:
        table.add_column(name, justify="right")
    for work in [*works, ""]:
        cells = []
        for name in names:
            runs = [each for each in results if each.policy == name and work in {"", each.work}]
            scores, away = [each.score for each in runs], mean(each.rejected_per_10k for each in runs)
            cells.append(f"{geometric_mean(scores):.3f}  {min(scores):.2f} to {max(scores):.2f}  ({away:,.1f})")
        table.add_row(work or "all", *cells, end_section=work == works[-1])
    table.caption = f"Calls cut: {sum(each.cut for each in results)}"
    return table


def as_json(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return every run, in the table's order."""
    return [each.as_json() for each in in_order(results)]
