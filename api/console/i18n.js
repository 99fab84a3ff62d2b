// The console's texts in Korean and English. Names of cameras and zones come from the site.

const TEXTS = {
  ko: {
    note: "안내",
    skip: "이벤트 목록으로 건너뛰기",
    language: "언어",
    cameras: "카메라",
    events: "이벤트",
    detail: "선택한 이벤트",
    events_view: "이벤트",
    trouble_view: "카메라 장애",
    views: "목록 선택",
    bells: "처리하지 않은 비상벨",
    ongoing_trouble: (n) => `지금 장애가 있는 카메라 (${n}건)`,
    unhandled: "미처리",
    no_trouble: "카메라 장애 기록이 없습니다",
    end_of_list: (count) => `목록의 끝입니다. 모두 ${count}건입니다.`,
    unseen: (n) => `새 이벤트 ${n}건 보기`,
    group: (kind, n) => `${kind}: 카메라 ${n}대`,
    and_more: (names, n) => `${names} 외 ${n}대`,
    since: (time) => `${time}부터`,
    today: "오늘",
    not_found: "이 주소의 이벤트를 찾을 수 없습니다.",
    not_loaded: "이벤트를 불러오지 못했습니다. 다시 연결되면 표시됩니다.",
    loading: "불러오는 중입니다.",
    camera_summary: (n, faulty) => (faulty === 0 ? `카메라 ${n}대 정상` : `카메라 ${n}대 중 ${faulty}대 연결 끊김`),
    cameras_unknown: (time) => `${time}부터 카메라 상태를 알 수 없음`,
    no_events: "아직 이벤트가 없습니다",
    no_events_hint: "카메라를 감시하고 있습니다. 이상 행동이 감지되면 이곳에 바로 표시됩니다.",
    older: "이전 이벤트 더 보기",
    select_event: "이벤트를 선택하면 영상과 점수 근거가 표시됩니다.",
    close: "닫기",
    login: "접근 토큰 입력",
    login_hint: "토큰이 있는 사용자만 접근할 수 있습니다. 영상 열람은 기록됩니다.",
    token: "토큰",
    enter: "로그인",
    logout: "로그아웃",
    wrong_token: "토큰이 올바르지 않습니다.",
    host_changed: "프록시가 Host 헤더를 바꾸어서 서비스가 이 페이지의 요청을 거부합니다. nginx 설정에 다음 줄을 추가해 주십시오: proxy_set_header Host $http_host; (docs/operations.md)",
    connection: { connected: "실시간 연결됨", disconnected: "연결 끊김, 재연결 중", connecting: "연결 중" },
    site_time: "현장 시각",
    camera: "카메라",
    zone: "구역",
    started: "시작 시각",
    opened: "경보 시각",
    ended: "종료 시각",
    model: "검출 모델",
    ongoing: "진행 중",
    end_unknown: "알 수 없음",
    score: "점수",
    explanation: "점수 근거",
    thresholds: "적용된 기준값",
    severity: { 1: "주의", 2: "경보", 3: "출동 권고" },
    state: { open: "진행 중", updated: "진행 중", closed: "종료", expired: "카메라 끊김" },
    camera_state: { unknown: "알 수 없음", waiting: "대기", live: "정상", idle: "움직임 없음", lost: "연결 끊김", ended: "재생 종료", silent: "응답 없음" },
    frame_rate: (n) => `초당 ${n}프레임`,
    snapshot_of: (kind, camera) => `${kind}, ${camera} 카메라의 스냅샷`,
    play: "영상 재생",
    pending: "스냅샷을 저장하는 중입니다",
    no_snapshot: "스냅샷 없음",
    no_clip: "영상 없음",
    clip_going_on: "이벤트가 진행 중입니다. 영상의 뒷부분은 아직 저장되지 않았습니다.",
    access_recorded: "영상 열람은 기록됩니다.",
    reasons: {
      disk_full: "디스크 공간 부족", queue_full: "저장 대기열 초과", out_of_reach: "해당 시각의 영상이 남아 있지 않음",
      interrupted: "저장 중 서비스 중단", unreadable: "영상을 읽을 수 없음", not_written: "디스크 쓰기 오류", failed: "저장 실패",
    },
    verdicts: { true: "실제 상황", false: "오경보", unsure: "판단 보류", confirmed: "확인함", repaired: "수리 완료" },
    verdict_question: "실제 상황입니까?",
    trouble_question: "장애를 확인하거나 수리했습니까?",
    reason: "사유 (선택)",
    saved: "저장했습니다",
    not_saved: "저장하지 못했습니다. 다시 시도해 주십시오.",
    new_event: (kind, camera) => `새 이벤트: ${kind}, ${camera}`,
    parts: (count) => `포함된 이벤트 ${count}건`,
    conditions: {
      vehicle_stands: "차량 정차", on_foot: "도보 접근", people_leave: "하차", trips: "반복 운반", visits: "반복 출입",
      stay: "장시간 체류", thing_changes: "물건 변화", vehicle_leaves: "차량 출발", people_gone: "인원 이탈",
      owner_hours: "소유자 활동 시간", registered_visit: "등록된 방문", schedule: "허용된 시간",
    },
    factors: {
      dwell: "체류 시간", staying: "머무름", place: "장소", inside: "구역 진입", stay: "체류 시간", hours: "시간대", crossing: "경계선 통과", direction: "방향",
      night: "야간", sureness: "검출 신뢰도", unnamed: "미분류 물체", class: "객체 종류", press: "비상벨",
      again: "재방문", against: "역방향", alone: "방치", clear: "경계선과의 거리", climbing: "월담", down: "쓰러짐", gone: "사라짐",
      lowered: "감점 요인", raised: "가점 요인", repeated: "반복", speed: "속도", standing: "정차",
      unrest: "격렬한 움직임", gathering: "밀집", roaming: "연속 배회", outage: "동시 장애", signal_lost: "신호 끊김",
      frozen: "화면 정지", covered: "가려짐", defocused: "초점 흐림", moved: "방향 변경", too_dark: "어두움", clock_drift: "시각 오차",
      untrained: "색상과 깜박임 (학습 모델 없음)", growth: "확대",
    },
  },
  en: {
    note: "Note",
    skip: "Skip to the events",
    language: "Language",
    cameras: "Cameras",
    events: "Events",
    detail: "Selected event",
    events_view: "Events",
    trouble_view: "Camera trouble",
    views: "Lists",
    bells: "Emergency bells to handle",
    ongoing_trouble: (n) => `Cameras in trouble now (${n})`,
    unhandled: "Not handled",
    no_trouble: "No camera trouble is on record",
    end_of_list: (count) => `End of the list. Total: ${count}.`,
    unseen: (n) => `Show ${n} new event${n === 1 ? "" : "s"}`,
    group: (kind, n) => `${kind}: ${n} cameras`,
    and_more: (names, n) => `${names} and ${n} more`,
    since: (time) => `since ${time}`,
    today: "Today",
    not_found: "There is no event at this address.",
    not_loaded: "The event could not be loaded. It appears after the reconnection.",
    loading: "Loading.",
    camera_summary: (n, faulty) => (faulty === 0 ? (n === 1 ? "The camera works" : `All ${n} cameras work`) : `${faulty} of ${n} cameras disconnected`),
    cameras_unknown: (time) => `State of the cameras unknown since ${time}`,
    no_events: "No events yet",
    no_events_hint: "The cameras are being watched. Suspicious activity appears here at once.",
    older: "Show older events",
    select_event: "Select an event to see its footage and the explanation of its score.",
    close: "Close",
    login: "Enter the access token",
    login_hint: "Only users with the token have access. Access to footage is recorded.",
    token: "Token",
    enter: "Log in",
    logout: "Log out",
    wrong_token: "The token is not correct.",
    host_changed: "The proxy changes the Host header, so the service rejects this page's requests. In nginx, add this line: proxy_set_header Host $http_host; (docs/operations.md)",
    connection: { connected: "Live", disconnected: "Disconnected, reconnecting", connecting: "Connecting" },
    site_time: "Site time",
    camera: "Camera",
    zone: "Zone",
    started: "Started",
    opened: "Raised",
    ended: "Ended",
    model: "Detector",
    ongoing: "Ongoing",
    end_unknown: "Unknown",
    score: "Score",
    explanation: "Explanation of the score",
    thresholds: "Applied thresholds",
    severity: { 1: "Watch", 2: "Alert", 3: "Dispatch" },
    state: { open: "Ongoing", updated: "Ongoing", closed: "Ended", expired: "Camera lost" },
    camera_state: { unknown: "unknown", waiting: "waiting", live: "live", idle: "no motion", lost: "disconnected", ended: "ended", silent: "no response" },
    frame_rate: (n) => `${n} frames/s`,
    snapshot_of: (kind, camera) => `${kind}, snapshot of camera ${camera}`,
    play: "Play the clip",
    pending: "The snapshot is being saved",
    no_snapshot: "No snapshot",
    no_clip: "No clip",
    clip_going_on: "The event is ongoing. The rest of the clip is not saved yet.",
    access_recorded: "Access to footage is recorded.",
    reasons: {
      disk_full: "the disk is full", queue_full: "the write queue was full", out_of_reach: "the video of that time is no longer available",
      interrupted: "the service stopped during the write", unreadable: "the video could not be read",
      not_written: "the disk could not be written", failed: "the write failed",
    },
    verdicts: { true: "True event", false: "False alarm", unsure: "Unsure", confirmed: "Confirmed", repaired: "Repaired" },
    verdict_question: "Is this a true event?",
    trouble_question: "Is the trouble confirmed or repaired?",
    reason: "Reason (optional)",
    saved: "Saved",
    not_saved: "Not saved. Please try again.",
    new_event: (kind, camera) => `New event: ${kind}, ${camera}`,
    parts: (count) => `Includes ${count} event${count === 1 ? "" : "s"}`,
    conditions: {
      vehicle_stands: "Vehicle stopped", on_foot: "Arrived on foot", people_leave: "People got out", trips: "Repeated trips", visits: "Repeated visits",
      stay: "Long stay", thing_changes: "Object appeared or removed", vehicle_leaves: "Vehicle left", people_gone: "People left",
      owner_hours: "Owner's hours", registered_visit: "Registered visit", schedule: "Permitted time",
    },
    factors: {
      dwell: "Dwell time", staying: "Staying about", place: "Place", inside: "In the zone", stay: "Dwell time", hours: "Time of day", crossing: "Line crossed",
      direction: "Direction", night: "Night", sureness: "Detection confidence", unnamed: "Unclassified object", class: "Object class", press: "Bell pressed",
      again: "Repeated visit", against: "Wrong direction", alone: "Unattended", clear: "Distance from the line", climbing: "Climbing", down: "Lying down",
      gone: "Removed", lowered: "Mitigating", raised: "Aggravating", repeated: "Repeated", speed: "Speed", standing: "Stopped",
      unrest: "Violent movement", gathering: "Close together", roaming: "Repeated loitering", outage: "Joint outage", signal_lost: "Signal lost",
      frozen: "Frozen picture", covered: "Covered", defocused: "Out of focus", moved: "View changed", too_dark: "Too dark", clock_drift: "Clock drift",
      untrained: "Colour and flicker (no trained model)", growth: "Growth",
    },
  },
};

const STORAGE_KEY = "lanewatch.language";
let current = initialLanguage();

function initialLanguage() {
  const requested = new URLSearchParams(location.search).get("lang");
  if (requested in TEXTS) return requested;
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    if (stored in TEXTS) return stored;
  } catch { /* without storage, the browser's language is used */ }
  return navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
}

export const language = () => current;

export function setLanguage(name) {
  current = name;
  try {
    localStorage.setItem(STORAGE_KEY, name);
  } catch { /* without storage, the choice lasts until the page is closed */ }
}

/** The text of a key, or of one of its options: text("severity", 2). An option without a text is shown as its name. */
export function text(key, option) {
  const entry = TEXTS[current][key];
  if (option === undefined) return entry ?? key;
  return Object.hasOwn(entry, option) ? entry[option] : humanize(String(option));
}

export const format = (key, ...values) => TEXTS[current][key](...values);

/** A name of the site, { ko, en }, in the current language. */
export const localized = (name, fallback) => name?.[current] ?? name?.en ?? fallback;

export function humanize(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
