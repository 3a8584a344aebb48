"""What suits whom, and why: the quality of a sighting and the operation proposed for it.

An independent study in the wild found that portraits drawn on false, tiny or turned faces are the failure people see
first. So a new face is proposed only where it can be drawn well; everybody else is covered, and told why.
"""

from __future__ import annotations

from identigen.types import Face, Operation, Quality

MIN_FACE_PX = 24.0
MAX_YAW = 45.0
MAX_TILT = 22.0  # degrees a head may be thrown back: beyond, the mesh guesses at brows and the underside of the nose
MIN_SCORE = 0.6
GOOD_FACE_PX = 48.0
GOOD_YAW = 30.0


def judge(face: Face | None, is_person: bool = True) -> tuple[Quality, Operation, str]:
    """Grade how well a person is seen and propose an operation with its reason, a sentence for people.

    What a user marked need not be a person: `is_person` is False where neither a face nor a body was recognised.
    """
    if face is None and not is_person:
        return Quality("poor", ("no-face", "no-body")), Operation.LAYERED, _MARKED
    if face is None:
        return Quality("poor", ("no-face",)), Operation.LAYERED, "No face is visible, so the head is covered."
    flags = _flags(face)
    if flags:
        return Quality("poor", flags), Operation.LAYERED, _REASONS[flags[0]].format(_describe(face, flags[0]))
    good = face.size_px >= GOOD_FACE_PX and face.pose is not None and abs(face.pose.yaw) <= GOOD_YAW
    return Quality("good" if good else "fair"), Operation.FACE, "The face is seen well enough for a new one."


_MARKED = "Neither a face nor a body was recognised here, so all that is marked is covered; look at the outline."
_REASONS = {
    "small-face": "The face is only {} pixels wide, too small for a new one, so it is covered.",
    "low-score": "The detector is only {} % sure that this is a face, so it is covered and gets no new one.",
    "no-landmarks": "Eyes, nose and mouth could not be located, so the face is covered.",
    "profile": "The head is turned {} degrees away, too far for a new face, so it is covered.",
    "thrown-back": "The head is thrown back by {} degrees, too far for a new face, so it is covered.",
}


def _flags(face: Face) -> tuple[str, ...]:
    """Everything that speaks against a new face, the plainest reason first."""
    flags = []
    if face.size_px < MIN_FACE_PX:
        flags.append("small-face")
    if face.score < MIN_SCORE:
        flags.append("low-score")
    if face.landmarks is None or face.pose is None:
        flags.append("no-landmarks")
    elif abs(face.pose.yaw) > MAX_YAW:
        flags.append("profile")
    elif face.pose.pitch < -MAX_TILT:
        flags.append("thrown-back")
    return tuple(flags)


def _describe(face: Face, flag: str) -> str:
    match flag:
        case "small-face":
            return f"{face.size_px:.0f}"
        case "low-score":
            return f"{100 * face.score:.0f}"
        case "profile":
            return f"{abs(face.pose.yaw):.0f}" if face.pose else "?"
        case "thrown-back":
            return f"{-face.pose.pitch:.0f}" if face.pose else "?"
    return ""
