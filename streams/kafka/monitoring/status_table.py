"""The status as a table for the terminal: problems first, then the stages, then the cameras."""

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

MAX_CAMERAS = 40
"""One screen; of more cameras only those with a problem are listed."""

MAX_NAMES = 5

STAGE_COLUMNS: Mapping[Language, tuple[str, ...]] = {
    "en": ("stage", "processes", "partitions", "waiting", "oldest"),
    "ko": ("단계", "프로세스", "파티션", "대기", "최장 대기"),
}
CAMERA_COLUMNS: Mapping[Language, tuple[str, ...]] = {
    "en": ("camera", "name", "sampler", "state", "last capture", "ago", "pictures/s", "clock"),
    "ko": ("카메라", "이름", "샘플러", "상태", "마지막 촬영", "경과", "초당 프레임", "시각 오차"),
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
TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "no_topics": "the topics {names} are missing: start a stage, or run `lanewatch publish SITE`",
        "no_site": "topic {subject} has no site: `lanewatch publish SITE` writes it; the cameras are the file's",
        "no_members": "{stage}: no process runs: start `{command}`",
        "rebalancing": "{stage}: partitions are being assigned anew (rebalance)",
        "unowned": "{stage}: {amount:.0f} partitions have no process: {names}",
        "behind": "{stage}: {names} records wait, the oldest for {amount:.0f} s",
        "growing": "{stage}: {names} records wait, growing, the oldest for {amount:.0f} s: start another `{command}`",
        "clock": "the clock of sampler {subject} is {amount:+.1f} s off the broker's: synchronise it",
        "camera_clock": "the clocks of {amount:.0f} cameras are wrong, synchronise them: {names}",
        "unsampled": "{amount:.0f} cameras have no sampler: {names}",
        "silent": "{amount:.0f} cameras without a record for ten seconds: {names}",
        "gap": "{amount:.0f} cameras {state}: {names}",
        "well": "All is well.",
        "some": "Something is wrong:",
        "rest": "{amount} more cameras are well; --all lists them",
        "more": "+ {amount} more",
        "of": "{owned} of {all}",
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
        "camera_clock": "시각을 맞춰야 하는 카메라 {amount:.0f}대: {names}",
        "unsampled": "맡은 샘플러가 없는 카메라 {amount:.0f}대: {names}",
        "silent": "10초 동안 소식이 없는 카메라 {amount:.0f}대: {names}",
        "gap": "{state} 카메라 {amount:.0f}대: {names}",
        "well": "모두 정상입니다.",
        "some": "문제가 있습니다:",
        "rest": "그 밖의 카메라 {amount}대는 정상입니다 (--all로 모두 표시)",
        "more": "외 {amount}",
        "of": "{all} 중 {owned}",
    },
}


def table(status: ClusterStatus, site: Site, language: Language, *, all: bool = False) -> str:
    """The printed table; the site gives names and the time zone. ``all`` lists every camera."""
    zone = ZoneInfo(site.time_zone)
    texts = TEXTS[language]
    when = f"{datetime.fromtimestamp(status.at, zone):%Y-%m-%d %H:%M:%S %Z}"
    lines = [f"{getattr(site.name, language)} ({status.site}) · {when} · Kafka {status.broker}", ""]
    lines.append(texts["some" if status.problems else "well"])
    lines += [f"  ! {sentence(problem, language)}" for problem in status.problems]
    if status.stages:
        rows = [STAGE_COLUMNS[language], *(_stage_row(stage, language) for stage in status.stages)]
        lines += ["", *columns(rows)]
    if status.cameras:
        lines += ["", *_camera_lines(status, site, language, zone, all)]
    return "\n".join(lines)


def sentence(problem: StatusProblem, language: Language) -> str:
    """A problem and its fix."""
    return TEXTS[language][problem.code].format(
        subject=problem.subject,
        stage=_stage_name(problem.subject, language),
        command=f"lanewatch {'keep' if problem.subject == 'archive' else problem.subject} SITE",
        state=STATES[language].get(problem.subject, problem.subject),
        names=_join(problem.names, language),
        amount=problem.amount,
    )


def _stage_row(stage: StageStatus, language: Language) -> tuple[str, ...]:
    owned = stage.partitions - len(stage.unowned) if stage.members else 0
    return (
        _stage_name(stage.stage, language),
        _join(tuple(_member(member, stage) for member in stage.members), language) or "-",
        TEXTS[language]["of"].format(owned=owned, all=stage.partitions),
        "-" if stage.lag is None else f"{stage.lag:,}{' ↑' if stage.growing else ''}",
        "-" if stage.lag_s is None else _duration(stage.lag_s, language),
    )


def _member(member: GroupMember, stage: StageStatus) -> str:
    several = stage.partitions > 1 or len(stage.members) > 1
    return f"{member.node} ({len(member.partitions)})" if several else member.node


def _camera_lines(status: ClusterStatus, site: Site, language: Language, zone: ZoneInfo, all: bool) -> list[str]:
    with_problem = {name for problem in status.problems for name in problem.names}
    shown = list(status.cameras)
    rest = 0
    if len(shown) > MAX_CAMERAS and not all:
        shown = [camera for camera in shown if camera.camera in with_problem]
        rest, shown = len(status.cameras) - len(shown), shown[:MAX_CAMERAS]
    names = {camera.id: getattr(camera.name, language) for camera in site.cameras}
    rows = [CAMERA_COLUMNS[language], *(_camera_row(camera, names, language, zone) for camera in shown)]
    lines = columns(rows) if shown else []
    return [*lines, TEXTS[language]["rest"].format(amount=rest)] if rest else lines


def _camera_row(camera: CameraStatus, names: Mapping[str, str], language: Language, zone: ZoneInfo) -> tuple[str, ...]:
    state, captured = STATES[language]["silent"], "-"
    if camera.captured_at is not None:
        state = STATES[language][camera.gap]
        captured = f"{datetime.fromtimestamp(camera.captured_at, zone):%m-%d %H:%M:%S}"
    return (
        camera.camera,
        names.get(camera.camera, ""),
        camera.node or "-",
        state,
        captured,
        "-" if camera.age_s is None else _duration(camera.age_s, language),
        "-" if camera.rate is None else f"{camera.rate:.1f}",
        "-" if camera.clock_s is None else _signed_duration(camera.clock_s, language),
    )


def _stage_name(stage: str, language: Language) -> str:
    return f"{STAGES.get(stage, stage)} {stage}" if language == "ko" else stage


def _duration(seconds: float, language: Language) -> str:
    unit = {"en": (" s", " min", " h"), "ko": ("초", "분", "시간")}[language]
    if seconds < 120:
        return f"{seconds:.1f}{unit[0]}"
    return f"{seconds / 60:.0f}{unit[1]}" if seconds < 7200 else f"{seconds / 3600:.1f}{unit[2]}"


def _signed_duration(seconds: float, language: Language) -> str:
    return f"{'-' if seconds < 0 else '+'}{_duration(abs(seconds), language)}"


def _join(names: tuple[str, ...], language: Language) -> str:
    text = ", ".join(names[:MAX_NAMES])
    rest = len(names) - MAX_NAMES
    return f"{text} {TEXTS[language]['more'].format(amount=rest)}" if rest > 0 else text
