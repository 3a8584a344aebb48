"""Words for a model that draws people: only what should stay of a face, never who it is.

Nothing a visitor types gets in: the words that may be chosen are listed here.
"""

from __future__ import annotations

from collections.abc import Mapping

from identigen.errors import PlanError
from identigen.recognition.attributes import Attributes
from identigen.types import Operation

WORDS: Mapping[str, Mapping[str, str]] = {
    "age": {"child": "child", "young": "young adult", "middle": "middle-aged", "old": "elderly"},
    "gender": {"feminine": "woman", "masculine": "man"},
    "beard": {"none": "", "some": "stubble", "full": "full beard"},
    "skin": {"lighter": "a shade lighter", "darker": "a shade darker"},
    "hair": {name: f"{name} hair" for name in ("black", "brown", "blond", "red", "grey")} | {"none": "bald head"},
    "glasses": {"none": "", "some": "glasses"},
    "expression": {name: name for name in ("neutral", "smiling", "laughing", "serious")},
    "clothing": {name: f"{name} clothes" for name in ("casual", "formal", "sports", "work")},
}
"""What `Edit.attributes` may ask for, and the words it becomes; other keys belong to other rooms."""

_AGES = ((13.0, "child"), (19.0, "teenager"), (36.0, "young adult"), (60.0, "middle-aged"), (1000.0, "elderly"))
# Individual typology angle, Chardon 1991, from dark to light.
_SKINS = (
    (-30.0, "dark brown"),
    (10.0, "brown"),
    (28.0, "tanned"),
    (41.0, "olive"),
    (55.0, "fair"),
    (1000.0, "very fair"),
)
_PRESENTED = 0.3
_STUBBLE, _BEARD = 0.7, 1.3
_OPEN_MOUTH = 0.15


def words_for(seen: Attributes | None, asked: Mapping[str, str]) -> dict[str, str]:
    """Words for what was read off the face, overruled by what was asked for; raise `PlanError` for an unknown wish."""
    words = _read(seen) if seen is not None else {}
    for key, wish in asked.items():
        if key not in WORDS:
            continue
        if wish not in WORDS[key]:
            raise PlanError(f"{key} must be one of {', '.join(WORDS[key])}, not {wish!r}.")
        words[key] = WORDS[key][wish] if key != "skin" else _shade(words.get("skin"), 1 if wish == "lighter" else -1)
    return words


def _shade(word: str | None, step: int) -> str:
    """The next lighter or darker word for a skin; olive, the middle, where none was read."""
    shades = [shade for _, shade in _SKINS]
    return shades[min(max(shades.index(word or "olive") + step, 0), len(shades) - 1)]


def describe(operation: Operation, words: Mapping[str, str], view: str = "") -> str:
    """The prompt for a new face, a new head or a new person; `view` says where the face looks."""
    frame = {Operation.FACE: "close-up photo of the face of", Operation.FACE_HAIR: "portrait photo of"}
    parts = [
        f"{frame.get(operation, 'photo of')} {_person(words)}",
        *(words.get(key, "") for key in ("hair", "beard", "glasses")),
        f"{words.get('expression', 'neutral')} expression",
        view,
    ]
    if operation is Operation.BODY:
        parts += [words.get("clothing", "casual clothes"), "same pose and place as in the photo"]
    parts += ["in the light of the scene", "natural skin", "sharp and realistic"]
    return ", ".join(part for part in parts if part)


def view_of(seen: Attributes | None) -> str:
    """Where the head is turned, in words a model was trained on; empty for an unread face."""
    if seen is None:
        return ""
    side = "right" if seen.pose.yaw > 0 else "left"
    turned = abs(seen.pose.yaw)
    if turned < 12:
        return "facing the camera"
    return f"head turned to the {side} of the picture" if turned < 50 else f"in profile, facing {side}"


def _person(words: Mapping[str, str]) -> str:
    age, noun = words.get("age", ""), words.get("gender", "person")
    if age == "child":
        text = {"woman": "girl", "man": "boy"}.get(noun, "child")
    elif age == "teenager":
        text = {"woman": "teenage girl", "man": "teenage boy"}.get(noun, "teenager")
    else:
        text = f"{age} {noun}".strip()
    skin = f" with {words['skin']} skin" if "skin" in words else ""
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}{skin}"


def _read(seen: Attributes) -> dict[str, str]:
    words = {
        "age": next(word for limit, word in _AGES if seen.age < limit),
        "skin": next(word for limit, word in _SKINS if seen.tone < limit),
    }
    if abs(seen.femininity) >= _PRESENTED:
        words["gender"] = "woman" if seen.femininity > 0 else "man"
    if seen.beard >= _STUBBLE and words.get("gender") != "woman":
        words["beard"] = "full beard" if seen.beard >= _BEARD else "stubble"
    if seen.mouth >= _OPEN_MOUTH:
        words["expression"] = "laughing"
    return words
