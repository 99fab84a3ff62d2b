"""A city's status on a terminal: what is wrong first, then the stages, then the cameras."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from lanewatch.config.site import Site
from lanewatch.text_table import columns
from streams.kafka.monitoring.consumer_groups import GroupMember
from streams.kafka.monitoring.status import CameraStatus, ClusterStatus, StageStatus, StatusProblem

Language = Literal["ko", "en"]

MOST_CAMERAS = 40
"""A screen's worth; of more only those are listed with which something is wrong."""

MOST_NAMES = 5

STAGE_COLUMNS: Mapping[Language, tuple[str, ...]] = {
    "en": ("stage", "processes", "partitions", "waiting", "oldest"),
    "ko": ("단계", "프로세스", "파티션", "대기", "최장 대기"),
}
CAMERA_COLUMNS: Mapping[Language, tuple[str, ...]] = {
    "en": ("camera", "name", "sampler", "state", "last capture", "ago", "pictures/s"),
    "ko": ("카메라", "이름", "샘플러", "상태", "마지막 촬영", "경과", "초당 프레임"),
}
STAGES: Mapping[str, str] = {
    "sample": "샘플링",
    "detect": "탐지",
    "watch": "감시",
    "correlate": "연계",
    "serve": "서비스",
    "archive": "보관",
}
STATES: Mapping[Language, Mapping[str | None, str]] = {
    "en": {
        None: "watched",
        "idle": "still",
        "lost": "out of reach",
        "ended": "ended",
        "unreadable": "unreadable",
        "shed": "shed under load",
        "failed": "detector fails",
        "silent": "silent",
    },
    "ko": {
        None: "감시 중",
        "idle": "움직임 없음",
        "lost": "연결 끊김",
        "ended": "끝남",
        "unreadable": "해독 불가",
        "shed": "과부하로 건너뜀",
        "failed": "탐지 실패",
        "silent": "소식 없음",
    },
}
WRONG: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "no_topics": "there are no topics {names}: start a stage, or `lanewatch publish SITE`",
        "no_site": "topic {subject} holds no site: `lanewatch publish SITE` writes it; the cameras are the file's",
        "no_members": "{stage}: nobody is at work: start `{command}`",
        "rebalancing": "{stage}: partitions are being shared out anew just now",
        "unowned": "{stage}: {amount:.0f} partitions belong to nobody: {names}",
        "behind": "{stage}: {names} records wait, the oldest for {amount:.0f} s",
        "growing": "{stage}: {names} records wait, ever more, the oldest for {amount:.0f} s: start another `{command}`",
        "clock": "the clock of sampler {subject} is {amount:+.1f} s off the broker's: synchronise it",
        "unsampled": "{amount:.0f} cameras that no sampler has: {names}",
        "silent": "{amount:.0f} cameras of which nothing was heard for ten seconds: {names}",
        "gap": "{amount:.0f} cameras {state}: {names}",
        "well": "All is well.",
        "some": "Something is wrong:",
        "rest": "{amount} more cameras are well; --all lists them",
        "more": "+ {amount} more",
        "of": "{held} of {all}",
    },
    "ko": {
        "no_topics": "토픽이 없습니다: {names} - 단계를 하나 시작하거나 `lanewatch publish SITE`를 실행하십시오",
        "no_site": "토픽 {subject}에 사이트가 없습니다: `lanewatch publish SITE`로 올리십시오 (카메라는 파일의 것)",
        "no_members": "{stage}: 일하는 프로세스가 없습니다: `{command}`를 시작하십시오",
        "rebalancing": "{stage}: 지금 파티션을 다시 나누고 있습니다",
        "unowned": "{stage}: 맡은 프로세스가 없는 파티션 {amount:.0f}개: {names}",
        "behind": "{stage}: 레코드 {names}개가 밀려 있고 가장 오래된 것은 {amount:.0f}초째입니다",
        "growing": "{stage}: 레코드 {names}개가 밀리고 늘고 있습니다 ({amount:.0f}초째): `{command}`를 더 시작하십시오",
        "clock": "샘플러 {subject}의 시계가 브로커와 {amount:+.1f}초 다릅니다: 시각을 맞추십시오",
        "unsampled": "맡은 샘플러가 없는 카메라 {amount:.0f}대: {names}",
        "silent": "10초 동안 소식이 없는 카메라 {amount:.0f}대: {names}",
        "gap": "{state} 카메라 {amount:.0f}대: {names}",
        "well": "모두 정상입니다.",
        "some": "문제가 있습니다:",
        "rest": "그 밖의 카메라 {amount}대는 정상입니다 (--all로 모두 표시)",
        "more": "외 {amount}",
        "of": "{all} 중 {held}",
    },
}


def table(status: ClusterStatus, site: Site, language: Language, *, all: bool = False) -> str:
    """What a person reads.

    Args:
        status: what was found.
        site: for names and the time zone.
        language: ``ko`` or ``en``.
        all: whether every camera is listed, however many.
    """
    zone = ZoneInfo(site.time_zone)
    words = WRONG[language]
    when = datetime.fromtimestamp(status.at, zone).strftime("%Y-%m-%d %H:%M:%S %Z")
    lines = [f"{getattr(site.name, language)} ({status.site}) · {when} · Kafka {status.broker}", ""]
    if status.problems:
        lines += [words["some"], *(f"  ! {sentence(one, language)}" for one in status.problems)]
    else:
        lines.append(words["well"])
    if status.stages:
        rows = [STAGE_COLUMNS[language], *(_stage_row(one, language) for one in status.stages)]
        lines += ["", *columns(rows)]
    if status.cameras:
        lines += ["", *_camera_lines(status, site, language, zone, all)]
    return "\n".join(lines)


def sentence(problem: StatusProblem, language: Language) -> str:
    """What is wrong, and what to do."""
    return WRONG[language][problem.code].format(
        subject=problem.subject,
        stage=_stage_name(problem.subject, language),
        command=f"lanewatch {'keep' if problem.subject == 'archive' else problem.subject} SITE",
        state=STATES[language].get(problem.subject, problem.subject),
        names=_few(problem.names, language),
        amount=problem.amount,
    )


def _stage_row(stage: StageStatus, language: Language) -> tuple[str, ...]:
    held = stage.partitions - len(stage.unowned) if stage.members else 0
    waiting = "-" if stage.lag is None else f"{stage.lag:,}{' ↑' if stage.growing else ''}"
    return (
        _stage_name(stage.stage, language),
        _few(tuple(_member(one, stage) for one in stage.members), language) or "-",
        WRONG[language]["of"].format(held=held, all=stage.partitions),
        waiting,
        "-" if stage.lag_s is None else _span(stage.lag_s, language),
    )


def _member(member: GroupMember, stage: StageStatus) -> str:
    return (
        f"{member.node} ({len(member.partitions)})" if stage.partitions > 1 or len(stage.members) > 1 else member.node
    )


def _camera_lines(status: ClusterStatus, site: Site, language: Language, zone: ZoneInfo, all: bool) -> list[str]:
    wrong = {name for problem in status.problems for name in problem.names}
    shown = list(status.cameras)
    rest = 0
    if len(shown) > MOST_CAMERAS and not all:
        shown = [one for one in shown if one.camera in wrong]
        rest, shown = len(status.cameras) - len(shown), shown[:MOST_CAMERAS]
    names = {camera.id: getattr(camera.name, language) for camera in site.cameras}
    rows = [CAMERA_COLUMNS[language], *(_camera_row(one, names, language, zone) for one in shown)]
    lines = columns(rows) if shown else []
    return [*lines, WRONG[language]["rest"].format(amount=rest)] if rest else lines


def _camera_row(one: CameraStatus, names: Mapping[str, str], language: Language, zone: ZoneInfo) -> tuple[str, ...]:
    state = STATES[language]["silent" if one.captured_at is None else one.gap]
    captured = (
        "-" if one.captured_at is None else datetime.fromtimestamp(one.captured_at, zone).strftime("%m-%d %H:%M:%S")
    )
    return (
        one.camera,
        names.get(one.camera, ""),
        one.node or "-",
        state,
        captured,
        "-" if one.age_s is None else _span(one.age_s, language),
        "-" if one.rate is None else f"{one.rate:.1f}",
    )


def _stage_name(stage: str, language: Language) -> str:
    return f"{STAGES.get(stage, stage)} {stage}" if language == "ko" else stage


def _span(seconds: float, language: Language) -> str:
    unit = {"en": (" s", " min", " h"), "ko": ("초", "분", "시간")}[language]
    if seconds < 120:
        return f"{seconds:.1f}{unit[0]}"
    return f"{seconds / 60:.0f}{unit[1]}" if seconds < 7200 else f"{seconds / 3600:.1f}{unit[2]}"


def _few(names: tuple[str, ...], language: Language) -> str:
    told = ", ".join(names[:MOST_NAMES])
    rest = len(names) - MOST_NAMES
    return f"{told} {WRONG[language]['more'].format(amount=rest)}" if rest > 0 else told
