import re

import pytest

from identigen.ui.text import LANGUAGES, TEXTS, preferred, say

FIELDS = re.compile(r"{(\w+)}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things(language):
    assert TEXTS[language].keys() == TEXTS["en"].keys()
    for key, text in TEXTS[language].items():
        assert text.strip()
        assert set(FIELDS.findall(text)) == set(FIELDS.findall(TEXTS["en"][key])), key


def test_one_and_several():
    assert say("en", "people", 1) == "1 person"
    assert say("de", "people", 3) == "3 Personen"


@pytest.mark.parametrize(
    ("header", "language"),
    [("de-AT,de;q=0.9,en;q=0.8", "de"), ("fr-FR, en;q=0.5", "en"), ("sl", "en"), ("", "en"), ("fr,DE;q=0.3", "de")],
)
def test_the_browser_names_the_language(header, language):
    assert preferred(header) == language
