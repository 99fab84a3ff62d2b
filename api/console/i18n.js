// What the console says, in both of its languages. Names of cameras and zones come from the site.

const WORDS = {
  ko: {
    skip: "이벤트 목록으로 건너뛰기",
    language: "언어",
    cameras: "카메라",
    events: "이벤트",
    detail: "선택한 이벤트",
    count: (n) => `${n}건`,
    quiet: "아직 이벤트가 없습니다",
    quiet_more: "카메라를 지켜보고 있습니다. 의심스러운 일이 생기면 여기에 바로 나타납니다.",
    older: "이전 이벤트 더 보기",
    choose: "이벤트를 선택하면 영상과 근거가 여기에 나타납니다.",
    close: "닫기",
    door: "접근 토큰 입력",
    door_more: "이 서비스는 토큰이 있는 사람만 볼 수 있습니다. 영상을 보면 열람 기록이 남습니다.",
    token: "토큰",
    enter: "들어가기",
    wrong_token: "토큰이 맞지 않습니다.",
    link: { on: "실시간 연결됨", off: "연결이 끊겨 다시 연결하는 중", wait: "연결하는 중" },
    site_time: "현장 시각",
    camera: "카메라",
    zone: "구역",
    started: "시작",
    opened: "경보",
    ended: "종료",
    model: "검출 모델",
    none_ended: "진행 중",
    lost_end: "알 수 없음",
    score: "점수",
    why: "점수 근거",
    thresholds: "적용된 기준값",
    severity: { 1: "주의", 2: "경보", 3: "출동 권고" },
    state: { open: "진행 중", updated: "진행 중", closed: "종료", expired: "카메라 끊김" },
    camera_state: { waiting: "대기", live: "정상", idle: "움직임 없음", lost: "연결 끊김", ended: "재생 끝", silent: "응답 없음" },
    rate: (n) => `초당 ${n}장`,
    picture_of: (kind, camera) => `${kind}, ${camera} 카메라 화면`,
    play: "영상 재생",
    pending: "화면을 저장하는 중입니다",
    no_picture: "화면이 없습니다",
    no_clip: "영상이 없습니다",
    clip_going_on: "영상의 뒷부분을 이어서 저장하는 중입니다",
    reasons: {
      disk_full: "디스크가 가득 찼습니다", queue_full: "저장할 것이 밀려 건너뛰었습니다", out_of_reach: "그 시각의 화면이 남아 있지 않습니다",
      interrupted: "저장 중에 서비스가 멈췄습니다", unreadable: "화면을 읽을 수 없었습니다", not_written: "디스크에 쓸 수 없었습니다",
      failed: "저장하지 못했습니다",
    },
    verdict: "판정",
    verdicts: { true: "실제 상황", false: "오탐", unsure: "판단 보류" },
    verdict_question: "실제 상황이었습니까?",
    reason: "사유 (선택)",
    saved: "저장했습니다",
    not_saved: "저장하지 못했습니다. 다시 시도해 주십시오.",
    arrived: (kind, camera) => `새 이벤트: ${kind}, ${camera}`,
    audited: "영상 열람은 기록됩니다.",
    signs: {
      vehicle_stands: "차량 정차", on_foot: "걸어서 들어옴", people_leave: "사람이 내림", trips: "오가며 나름", visits: "여러 번 들어감",
      stay: "오래 머묾", thing_changes: "물건이 생기거나 없어짐", vehicle_leaves: "차량이 떠남", people_gone: "사람들이 떠남",
      owner_hours: "주인이 있을 시간", registered_visit: "등록된 방문", schedule: "허용된 시간",
    },
    made_of: (count) => `묶인 이벤트 ${count}건`,
    factors: {
      dwell: "머문 시간", place: "장소", inside: "들어감", stay: "머문 시간", hours: "시간대", crossing: "통과", direction: "방향",
      night: "야간", sureness: "검출 신뢰도", unnamed: "미확인 물체", class: "대상 종류", press: "비상벨",
      again: "다시 옴", against: "역방향", alone: "혼자 남음", clear: "선에서 떨어짐", climbing: "넘음", down: "쓰러져 있음", gone: "없어짐",
      lowered: "낮추는 사정", raised: "높이는 사정", repeated: "되풀이됨", speed: "빠르기", standing: "서 있음",
      unrest: "거친 움직임", gathering: "모임", roaming: "이어진 배회", outage: "동시 장애", signal_lost: "신호 끊김", frozen: "화면 멈춤", covered: "가려짐", defocused: "초점",
      moved: "방향 변경", too_dark: "어두움", clock_drift: "시각 오차", untrained: "색과 깜박임 (학습 모델 없음)", growth: "커짐",
    },
  },
  en: {
    skip: "Skip to the events",
    language: "Language",
    cameras: "Cameras",
    events: "Events",
    detail: "Chosen event",
    count: (n) => (n === "1" ? "1 event" : `${n} events`),
    quiet: "No events yet",
    quiet_more: "The cameras are being watched. What is suspicious appears here at once.",
    older: "Show older events",
    choose: "Choose an event to see its footage and why it was raised.",
    close: "Close",
    door: "Enter the access token",
    door_more: "Only those who have the token may look. Every look at footage is written down.",
    token: "Token",
    enter: "Enter",
    wrong_token: "This is not the token.",
    link: { on: "Live", off: "Connection lost, trying again", wait: "Connecting" },
    site_time: "Time on site",
    camera: "Camera",
    zone: "Zone",
    started: "Started",
    opened: "Raised",
    ended: "Ended",
    model: "Detector",
    none_ended: "Going on",
    lost_end: "Unknown",
    score: "Score",
    why: "Why this score",
    thresholds: "Thresholds that applied",
    severity: { 1: "Watch", 2: "Alert", 3: "Dispatch" },
    state: { open: "Going on", updated: "Going on", closed: "Over", expired: "Camera lost" },
    camera_state: { waiting: "waiting", live: "live", idle: "still", lost: "out of reach", ended: "played", silent: "silent" },
    rate: (n) => `${n} pictures/s`,
    picture_of: (kind, camera) => `${kind}, picture of camera ${camera}`,
    play: "Play the clip",
    pending: "The picture is being written",
    no_picture: "No picture",
    no_clip: "No clip",
    clip_going_on: "The rest of the clip is still to come",
    reasons: {
      disk_full: "the disk is full", queue_full: "too much was to be written at once", out_of_reach: "that time's pictures are not held any more",
      interrupted: "the service was stopped while it was written", unreadable: "the pictures could not be read",
      not_written: "the disk could not be written", failed: "it could not be written",
    },
    verdict: "Verdict",
    verdicts: { true: "True event", false: "False alarm", unsure: "Unsure" },
    verdict_question: "Was it a true event?",
    reason: "Reason (optional)",
    saved: "Saved",
    not_saved: "It could not be saved. Please try again.",
    arrived: (kind, camera) => `New event: ${kind}, ${camera}`,
    audited: "Looks at footage are written down.",
    signs: {
      vehicle_stands: "A vehicle stands", on_foot: "On foot", people_leave: "People got out", trips: "To and fro", visits: "In several times",
      stay: "Stayed long", thing_changes: "Something left or gone", vehicle_leaves: "The vehicle left", people_gone: "They are gone",
      owner_hours: "The owner's hours", registered_visit: "Registered visit", schedule: "A usual time",
    },
    made_of: (count) => `Made of ${count} event${count === 1 ? "" : "s"}`,
    factors: {
      dwell: "Time stayed", place: "Place", inside: "Inside", stay: "Time stayed", hours: "Hours", crossing: "Crossed",
      direction: "Direction", night: "Night", sureness: "Sureness", unnamed: "Not identified", class: "What it is", press: "Bell pressed",
      again: "Back again", against: "Against the direction", alone: "Left alone", clear: "Clear of the line", climbing: "Over it", down: "Down",
      gone: "Gone", lowered: "What speaks against it", raised: "What speaks for it", repeated: "Not the first time", speed: "Speed",
      standing: "Stands", unrest: "Violent movement", gathering: "Together", roaming: "Seen again", outage: "Cameras away", signal_lost: "Signal lost", frozen: "Frozen", covered: "Covered", defocused: "Focus",
      moved: "Moved", too_dark: "Dark", clock_drift: "Clock", untrained: "Colour and flicker (no trained model)", growth: "Growth",
    },
  },
};

const KEPT = "lanewatch.language";
let chosen = first();

function first() {
  const asked = new URLSearchParams(location.search).get("lang");
  if (asked in WORDS) return asked;
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept in WORDS) return kept;
  } catch { /* a browser without storage starts with its own language */ }
  return navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
}

export const language = () => chosen;
export const languages = Object.keys(WORDS);

export function choose(name) {
  chosen = name;
  try {
    localStorage.setItem(KEPT, name);
  } catch { /* it is then asked anew the next time */ }
}

/** A word by its key, and by one of its kinds: say("severity", 2). What has no word is shown as it is called. */
export function say(key, kind) {
  const word = WORDS[chosen][key];
  if (kind === undefined) return word ?? key;
  if (typeof word === "function") return word(kind);
  return Object.hasOwn(word, kind) ? word[kind] : readable(String(kind));
}

export const tell = (key, ...things) => WORDS[chosen][key](...things);

/** A name in the chosen language: { ko, en } as the site has it. */
export const named = (name, otherwise) => name?.[chosen] ?? name?.en ?? otherwise;

/** A name that has no word, as people read it. */
export const readable = (name) => {
  const spaced = name.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
};
