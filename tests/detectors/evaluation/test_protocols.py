"""The protocols on cases worked out by hand, and against independent implementations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from detectors.evaluation import actev_protocol, confidence_interval, frame_auc, ilids_protocol
from detectors.evaluation.actev_protocol import ScoredAlarm, TruthInterval
from tests.detectors.evaluation.examples import START, alarm, labels, truth


@pytest.mark.parametrize(
    ("precision", "recall", "bias", "expected"),
    [
        (0.5, 1.0, 1.0, 2 / 3),  # the plain F1
        (0.5, 1.0, 0.35, 1.35 * 0.5 / (1 + 0.175)),  # false alarms weigh more: .574
        (0.5, 1.0, 60.0, 61 * 0.5 / 31),  # and hardly at all: .984
        (0.8, 0.6, 0.65, 1.65 * 0.48 / (0.6 + 0.52)),  # .707
        (0.0, 0.0, 1.0, 0.0),
        (1.0, 1.0, 7.0, 1.0),
    ],
)
def test_the_recall_bias_of_ilids(precision: float, recall: float, bias: float, expected: float) -> None:
    assert ilids_protocol.f_biased(precision, recall, bias) == pytest.approx(expected)


@pytest.mark.parametrize("bias", [0.0, -1.0, math.nan])
def test_a_recall_bias_must_be_above_0(bias: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        ilids_protocol.f_biased(0.5, 0.5, bias)


TRUTHS = [TruthInterval("k", at, at) for at in (100.0, 200.0, 300.0, 400.0)]
ALARMS = [
    ScoredAlarm("k", 101.0, 0.9),  # a hit
    ScoredAlarm("k", 201.0, 0.7),  # a hit
    ScoredAlarm("k", 250.0, 0.6),  # false
    ScoredAlarm("k", 301.0, 0.5),  # a hit
    ScoredAlarm("k", 350.0, 0.4),  # false
]


def test_the_curve_of_misses_against_false_alarms_by_hand() -> None:
    """Twelve camera-hours, so that one false alarm is two a camera-day; the fourth truth is never found."""
    met = actev_protocol.align(ALARMS, TRUTHS)
    assert sorted(met.pairs) == [(0, 0), (1, 1), (3, 2)]
    curve = actev_protocol.curve(ALARMS, TRUTHS, met, 12 * 3600.0)
    assert curve.scores == (0.9, 0.7, 0.6, 0.5, 0.4)
    assert curve.rates == (0.0, 0.0, 2.0, 2.0, 4.0)
    assert curve.misses == (0.75, 0.5, 0.5, 0.25, 0.25)
    assert [curve.miss_at(rate) for rate in (0.0, 1.9, 2.0, 100.0)] == [0.5, 0.5, 0.25, 0.25]
    assert curve.area(4.0) == pytest.approx((2 * 0.5 + 2 * 0.25) / 4)
    assert curve.area(1.0) == pytest.approx(0.5)


def test_the_alarm_of_a_higher_score_gets_the_truth_and_a_long_event_may_be_found_late() -> None:
    alarms = [
        ScoredAlarm("k", 100.0, 0.3),
        ScoredAlarm("k", 105.0, 0.8),
        ScoredAlarm("k", 161.0, 0.5),
        ScoredAlarm("other", 100.0, 1.0),
    ]
    met = actev_protocol.align(alarms, [TruthInterval("k", 100.0, 100.0), TruthInterval("k", 110.0, 152.0)])
    assert sorted(met.pairs) == [(1, 0), (2, 1)]
    assert met.false == (0, 3)


@settings(max_examples=60)
@given(
    alarms=st.lists(st.tuples(st.integers(0, 30), st.sampled_from([0.1, 0.5, 0.9])), max_size=4),
    truths=st.lists(st.integers(0, 30), max_size=4),
)
def test_no_alignment_has_more_pairs_or_surer_ones(alarms: list[tuple[int, float]], truths: list[int]) -> None:
    raised = [ScoredAlarm("k", float(at), score) for at, score in alarms]
    labelled = [TruthInterval("k", float(at), float(at)) for at in truths]
    met = actev_protocol.align(raised, labelled)
    best = (0, 0.0)
    for chosen in itertools.permutations([*range(len(raised)), *([-1] * len(labelled))], len(labelled)):
        pairs = [(a, t) for t, a in enumerate(chosen) if a >= 0 and -2 <= raised[a].at - labelled[t].at <= 10]
        best = max(best, (len(pairs), round(sum(raised[a].score for a, _ in pairs), 6)))
    assert (len(met.pairs), round(sum(raised[a].score for a, _ in met.pairs), 6)) == best


@pytest.mark.parametrize(("truths", "seconds", "message"), [([], 60.0, "no truth"), (TRUTHS, 0.0, "camera-day")])
def test_a_curve_needs_truths_and_time(truths: list[TruthInterval], seconds: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        actev_protocol.curve(ALARMS, truths, actev_protocol.align(ALARMS, truths), seconds)


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),  # of four pairs one is the wrong way round
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([5, 5, 5, 5], [0, 1, 0, 1], 0.5),  # ties count half
        ([0, 0, 1], [0, 1, 1], 0.75),
    ],
)
def test_the_area_under_the_curve_by_hand(scores: list[float], labels: list[int], expected: float) -> None:
    assert frame_auc.roc(scores, labels).auc == pytest.approx(expected)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60))
def test_the_area_is_mann_whitneys_statistic(rows: list[tuple[int, bool]]) -> None:
    scores, labels = [float(score) for score, _ in rows], [positive for _, positive in rows]
    if all(labels) or not any(labels):
        with pytest.raises(ValueError, match="frames in which nothing does"):
            frame_auc.roc(scores, labels)
        return
    positives = [score for score, positive in zip(scores, labels, strict=True) if positive]
    negatives = [score for score, positive in zip(scores, labels, strict=True) if not positive]
    expected = stats.mannwhitneyu(positives, negatives).statistic / (len(positives) * len(negatives))
    assert frame_auc.roc(scores, labels).auc == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [([1.0, 2.0], [1], "2 scores and 1 labels"), ([math.nan, 1.0], [0, 1], "1 frames have a score that is no number")],
)
def test_frames_that_cannot_be_scored(scores: list[float], labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frame_auc.roc(scores, labels)


def test_events_laid_out_as_frames() -> None:
    span = labels(truth(3, end=START + 5), seconds=10)
    score, is_positive = frame_auc.frame_scores(
        span, span.events, [alarm(4, score=0.6, end=START + 6), alarm(5, score=0.9, end=START + 5)]
    )
    assert np.flatnonzero(is_positive).tolist() == [3, 4, 5]
    assert score.tolist() == [0, 0, 0, 0, 0.6, 0.9, 0.9, 0, 0, 0]


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(8, 9, 0.565, 0.980), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval(hits: int, total: int, low: float, high: float) -> None:
    """The last is the example of Newcombe (1998), table I; others by scipy's own."""
    assert confidence_interval.wilson(hits, total) == pytest.approx((low, high), abs=6e-4)
    if total:
        theirs = stats.binomtest(hits, total).proportion_ci(0.95, "wilson")
        assert confidence_interval.wilson(hits, total) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)])
def test_a_counts_interval_is_garwoods(count: int, low: float, high: float) -> None:
    assert confidence_interval.poisson(count) == pytest.approx((low, high), abs=1e-3)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 46, 300, 2000])
def test_a_counts_interval_is_the_librarys(count: int) -> None:
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    assert confidence_interval.poisson(count) == pytest.approx(
        (low, stats.chi2.ppf(0.975, 2 * count + 2) / 2), rel=1e-9
    )
