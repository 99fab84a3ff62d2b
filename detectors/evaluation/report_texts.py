"""The words and sentences of an evaluation's report, in English and Korean."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from detectors import event_table
from lanewatch.config.site import Site

PROTOCOLS = {
    "kisa": "KISA",
    "ilids": "i-LIDS",
    "actev": "ActEV (miss rate against false alarms a camera-day)",
    "frames": "area under the ROC curve over frames",
}
SCOPE = (
    "Events `{events}`, truth {truth}. An alarm counts from {before:g} s before to {after:g} s after the truth; "
    "intervals are of 95 %."
)
NOTHING = "**Nothing was judged: there is neither a truth nor an alarm in the labelled time.**"
PASSES = "**F1 {f1:.3f}: passes** ({required:.2f} is required)."
DOES_NOT_PASS = "**F1 {f1:.3f}: does not pass** ({required:.2f} is required)."
RECALL_BIAS = "**F1 {f1:.3f} at recall bias {bias:g}.**"
AREA = "Area under the curve up to {limit:g} a camera-day, divided by {limit:g}: {area:.3f} (0 is perfect)."
ONE_ALARM = " In the time watched one false alarm makes {rate:.3g}: smaller rates stand for none."
FRAMES_AUC = "**AUC {auc:.3f}** over {frames} frames, one each {step:g} s{mean}."
MEAN_AUC = "; mean over the files {mean:.3f}"
NO_INTERVAL = "no interval: too few camera-hours"
INTERVAL = "{low:+.3f} to {high:+.3f}"
DIFFERENCE = (
    "The other's F1 less this one's: {difference:+.3f} ({interval}). Found by both {both}, by neither {neither}, by "
    "this alone {this}, by the other alone {other} (McNemar's exact p {p:.3f})."
)
EXCLUDED = "{count} {reason}"
MORE = "and {count} more"
_DIMENSIONS = {"kind": "종류", "camera": "카메라", "condition": "조명", "zone": "구역", "pattern": "유형"}
_KOREAN: Mapping[str, str] = {
    **{"truths": "정답", "alarms": "경보", "hits": "적중", "false": "오경보", "missed": "미탐", "all": "전체"},
    **{
        "precision": "정밀도",
        "recall": "재현율",
        "camera-hours": "카메라·시간",
        "false a camera-day": "카메라·일당 오경보",
    },
    **_DIMENSIONS,
    **{"day": "주간", "dusk": "박명", "night": "야간", "infrared": "적외선", "unknown": "미상"},
    **{"where": "위치", "when (UTC)": "시각 (UTC)", "this": "이 결과", "other": "비교 대상"},
    **{"Evaluation": "평가", "By": "구분:", "Missed": "미탐", "False alarms": "오경보", "Miss rate": "미탐률"},
    **{"Found by this alone": "이 결과에만 있음", "Found by the other alone": "비교 대상에만 있음"},
    "at most so many false alarms a camera-day": "카메라·일당 오경보 상한",
    "truths that are missed": "놓친 정답의 비율",
    "Compared with": "비교:",
    PROTOCOLS["actev"]: "ActEV (카메라·일당 오경보에 대한 미탐률)",
    PROTOCOLS["frames"]: "프레임별 ROC 곡선 아래 면적",
    SCOPE: "이벤트 `{events}`, 정답 {truth}. 정답의 {before:g}초 전부터 {after:g}초 후까지의 경보를 적중으로 봅니다. "
    "구간은 95 % 신뢰구간입니다.",
    NOTHING: "**평가할 것이 없습니다: 정답을 표시한 시간에 정답도 경보도 없습니다.**",
    PASSES: "**F1 {f1:.3f}: 합격** (기준 {required:.2f}).",
    DOES_NOT_PASS: "**F1 {f1:.3f}: 불합격** (기준 {required:.2f}).",
    RECALL_BIAS: "**F1 {f1:.3f} (재현율 가중치 {bias:g}).**",
    AREA: "카메라·일당 {limit:g}건까지의 곡선 아래 면적을 {limit:g}(으)로 나눈 값: {area:.3f} (0이 가장 좋음).",
    ONE_ALARM: " 감시한 시간에서는 오경보 한 건이 {rate:.3g}에 해당합니다. 이보다 작은 비율은 오경보 없음을 뜻합니다.",
    FRAMES_AUC: "**AUC {auc:.3f}**: {step:g}초 간격의 프레임 {frames}개{mean}.",
    MEAN_AUC: ", 파일별 평균 {mean:.3f}",
    NO_INTERVAL: "카메라·시간이 적어 구간 없음",
    INTERVAL: "{low:+.3f} ~ {high:+.3f}",
    DIFFERENCE: "비교 대상의 F1에서 이 결과의 F1을 뺀 값: {difference:+.3f} ({interval}). 둘 다 찾음 {both}, 둘 다 "
    "놓침 {neither}, 이 결과만 찾음 {this}, 비교 대상만 찾음 {other} (McNemar 정확 검정 p {p:.3f}).",
    MORE: "외 {count}건",
    EXCLUDED: "{reason} {count}건",
    "alarms outside of the labelled time": "정답을 표시한 시간 밖의 경보",
    "alarms of kinds that were not asked for": "요청하지 않은 종류의 경보",
    "alarms of cameras without labels": "정답이 없는 카메라의 경보",
    "alarms of kinds that were not labelled": "정답을 표시하지 않은 종류의 경보",
    "alarms of kinds that KISA has no class for": "KISA 분류에 없는 종류의 경보",
    "truths of kinds that KISA has no class for": "KISA 분류에 없는 종류의 정답",
    **{"Precision and recall by " + name: f"{korean}별 정밀도와 재현율" for name, korean in _DIMENSIONS.items()},
    "Miss rate against false alarms a camera-day": "카메라·일당 오경보에 대한 미탐률",
    "ROC over frames": "프레임별 ROC 곡선",
    "Not judged": "평가에서 뺀 것",
    "Of the other not judged": "비교 대상에서 평가하지 않은 것",
}
Words = Callable[[str], str]
"""The words and sentences of the report in its language, and the names of kinds."""


def words(language: str, site: Site | None = None) -> Words:
    """The words of a report: ``en``, or ``ko`` with the names of the site's kinds."""
    if language == "en":
        return str
    return lambda word: _KOREAN.get(word) or event_table.kind_name(word, site, language)
