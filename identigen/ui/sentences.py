"""Sentences that other rooms make, in the page's other languages.

The rooms below the page speak English and know nothing of languages. Their sentences are looked up here by what stays
the same in them: `{}` stands for what does not, in the same order in both languages. A sentence that is not found stays
English; `tests/ui/test_sentences.py` reads the rooms and tells which ones are missing.
"""
# ruff: noqa: E501  - a sentence is easier to read and to translate on one line

from __future__ import annotations

import re
from functools import cache, lru_cache

from identigen.ui.text import TEXTS, Language

_GERMAN = {
    # the gate
    "No face is visible, so the head is covered.": "Kein Gesicht ist zu sehen, deshalb wird der Kopf verdeckt.",
    "Neither a face nor a body was recognised here, so all that is marked is covered; look at the outline.": "Hier wurde weder ein Gesicht noch ein Körper erkannt, deshalb wird alles Markierte verdeckt; bitte den Umriss ansehen.",
    "The face is seen well enough for a new one.": "Das Gesicht ist gut genug zu sehen für ein neues.",
    "The face is only {} pixels wide, too small for a new one, so it is covered.": "Das Gesicht ist nur {} Pixel breit, zu klein für ein neues, und wird deshalb verdeckt.",
    "The detector is only {} % sure that this is a face, so it is covered and gets no new one.": "Der Erkenner ist sich nur zu {} % sicher, dass dies ein Gesicht ist; deshalb wird es verdeckt und bekommt kein neues.",
    "Eyes, nose and mouth could not be located, so the face is covered.": "Augen, Nase und Mund waren nicht zu finden, deshalb wird das Gesicht verdeckt.",
    "The head is turned {} degrees away, too far for a new face, so it is covered.": "Der Kopf ist um {} Grad abgewandt, zu weit für ein neues Gesicht, und wird deshalb verdeckt.",
    "The head is thrown back by {} degrees, too far for a new face, so it is covered.": "Der Kopf ist um {} Grad in den Nacken gelegt, zu weit für ein neues Gesicht, und wird deshalb verdeckt.",
    # how it came out
    "Nobody was recognised in this box, so all of it is covered.": "In diesem Rahmen wurde niemand erkannt, deshalb wird er ganz verdeckt.",
    "No face can be seen, so the head is covered instead.": "Kein Gesicht ist zu sehen, stattdessen wird der Kopf verdeckt.",
    "The face cannot be read well enough for a new one; covered instead.": "Das Gesicht ist für ein neues nicht gut genug zu lesen; stattdessen verdeckt.",
    "None of {} new identities by the {} engine was far enough from the person.": "Von {} neuen Identitäten des Verfahrens „{}“ war keine weit genug von der Person entfernt.",
    "The recogniser takes many strangers for this person, so {} counts as far enough.": "Der Erkenner hält viele Fremde für diese Person, deshalb zählt {} als weit genug.",
    "The person is covered instead.": "Die Person wird stattdessen verdeckt.",
    "Together with the neighbours who were drawn later, the new face is no longer safe, so it is covered.": "Zusammen mit den Nachbarn, die später gezeichnet wurden, ist das neue Gesicht nicht mehr sicher und wird deshalb verdeckt.",
    "There is no second opinion: {}": "Eine zweite Meinung gibt es nicht: {}",
    "The {} engine could not draw this person: {}": "Das Verfahren „{}“ konnte diese Person nicht zeichnen: {}",
    "The face of person {} is turned or opened so far that its features were not found with certainty; cover or remove this person instead.": "Das Gesicht von Person {} ist so weit abgewandt oder geöffnet, dass seine Züge nicht sicher zu finden waren; bitte die Person verdecken oder entfernen.",
    "Person {} wears dark glasses, and the photo does not show the eyes behind them; leave the glasses on, or cover or remove this person instead.": "Person {} trägt eine dunkle Brille, und das Foto zeigt die Augen dahinter nicht; bitte die Brille lassen oder die Person verdecken oder entfernen.",
    "Person {} shows no face that could be replaced; cover or remove this person instead.": "Person {} zeigt kein Gesicht, das sich ersetzen ließe; bitte die Person verdecken oder entfernen.",
    "No landmarks were found on the face of person {}; cover or remove this person instead.": "Im Gesicht von Person {} waren keine Punkte zu finden; bitte die Person verdecken oder entfernen.",
    "Stopped; the people who were finished are kept.": "Angehalten; wer fertig war, bleibt es.",
    "Still recognisable under {}; covered more strongly.": "Unter „{}“ noch erkennbar; stärker verdeckt.",
    "The detector still sees {} in the place that {} filled.": "Der Erkenner sieht noch immer {} an der Stelle, die „{}“ gefüllt hat.",
    "It was filled by {} instead.": "Stattdessen wurde sie von „{}“ gefüllt.",
    "The face could still be seen after the removal; covered instead.": "Das Gesicht war nach dem Entfernen noch zu sehen; stattdessen verdeckt.",
    "{} could not predict the background: {}": "„{}“ konnte den Hintergrund nicht vorhersagen: {}",
    "Person {}: {}": "Person {}: {}",
    "Nobody was found in this photo.": "In diesem Foto wurde niemand gefunden.",
    "Only the {} most visible people were looked at; others may be left as they are. See the settings.": "Nur die {} am besten sichtbaren Personen wurden betrachtet; andere bleiben vielleicht, wie sie sind. Siehe Einstellungen.",
    "Plain pixelation leaks identity: recognisers still ranked the right person first for 22 to 36 % of pixelated faces, against 1 to 3 % with layered; prefer layered.": "Verpixeln verrät, wer es ist: Bei 22 bis 36 % der verpixelten Gesichter fanden Erkenner noch die richtige Person, mehrschichtig verdeckt bei 1 bis 3 %; besser mehrschichtig verdecken.",
    # photos
    "{} is damaged or was cut off; get the file again.": "{} ist beschädigt oder abgeschnitten; bitte die Datei neu besorgen.",
    "{} is empty; give a JPEG, PNG, WebP, TIFF, HEIC or GIF picture.": "{} ist leer; bitte ein Bild als JPEG, PNG, WebP, TIFF, HEIC oder GIF geben.",
    "{} is not a photo that can be read; give a JPEG, PNG, WebP, TIFF, HEIC or GIF picture.": "{} ist kein lesbares Foto; bitte ein Bild als JPEG, PNG, WebP, TIFF, HEIC oder GIF geben.",
    "{} is an SVG drawing, not a photo; give a JPEG, PNG, WebP, TIFF, HEIC or GIF picture.": "{} ist eine SVG-Zeichnung, kein Foto; bitte ein Bild als JPEG, PNG, WebP, TIFF, HEIC oder GIF geben.",
    "{} has more than {} megabytes; make it smaller.": "{} hat mehr als {} Megabyte; bitte verkleinern.",
    "{} has more than {} megapixels; make it smaller.": "{} hat mehr als {} Megapixel; bitte verkleinern.",
    "The file holds several pictures; only the first one is used.": "Die Datei enthält mehrere Bilder; nur das erste wird verwendet.",
    "Transparent parts were laid on white.": "Durchsichtige Stellen wurden weiß unterlegt.",
    "The colour profile does not fit the picture and was ignored.": "Das Farbprofil passt nicht zum Bild und wurde übergangen.",
    # engines and what they lack
    "The {} engine cannot be used: {}": "Das Verfahren „{}“ ist nicht zu gebrauchen: {}",
    "{} needs the diffusion engine, which cannot run here: {}": "{} braucht das Verfahren „diffusion“, das hier nicht läuft: {}",
    "{} needs the embedded engine's head model, which has not been trained well enough yet (`python -m identigen.training.head` on a GPU makes its weights), or the diffusion engine, which cannot run here: {}": "{} braucht das Kopfmodell des Verfahrens „embedded“, das noch nicht gut genug trainiert ist (`python -m identigen.training.head` erzeugt die Gewichte auf einer Grafikkarte), oder das Verfahren „diffusion“, das hier nicht läuft: {}",
    "A new face": "Ein neues Gesicht",
    "New hair": "Neues Haar",
    "A new body": "Ein neuer Körper",
    "{} is not on this machine; `identigen models pull {}` fetches it ({}).": "{} ist nicht auf diesem Rechner; `identigen models pull {}` holt es ({}).",
    "On a GPU below 13 GB take sdxl-inpainting.": "Für Grafikkarten unter 13 GB eignet sich sdxl-inpainting.",
    "Only the embedded engine is switched on; set IDENTIGEN_ENGINE to auto or diffusion.": "Nur das Verfahren „embedded“ ist eingeschaltet; IDENTIGEN_ENGINE auf auto oder diffusion setzen.",
    "Drawing hair and bodies takes minutes without a GPU; set IDENTIGEN_ENGINE=diffusion to do it all the same.": "Haar und Körper zu zeichnen dauert ohne Grafikkarte Minuten; mit IDENTIGEN_ENGINE=diffusion geht es trotzdem.",
    "YOLO is not in use: {} is not on this machine and the network is switched off.": "YOLO ist nicht im Einsatz: {} ist nicht auf diesem Rechner, und das Netz ist abgeschaltet.",
    "YOLO is not in use: {} could not be fetched from {}.": "YOLO ist nicht im Einsatz: {} war von {} nicht zu holen.",
    "YOLO is not in use: {} (6 MB) has not been fetched yet.": "YOLO ist nicht im Einsatz: {} (6 MB) wurde noch nicht geholt.",
    "Somebody who shows no face may be missed: click on them, or set IDENTIGEN_YOLO_WEIGHTS to a file.": "Wer kein Gesicht zeigt, wird vielleicht übersehen: bitte anklicken, oder IDENTIGEN_YOLO_WEIGHTS auf eine Datei setzen.",
    "Somebody who shows no face may be missed: click on them, connect once, or set IDENTIGEN_YOLO_WEIGHTS to a file.": "Wer kein Gesicht zeigt, wird vielleicht übersehen: bitte anklicken, einmal verbinden, oder IDENTIGEN_YOLO_WEIGHTS auf eine Datei setzen.",
    # models and licences
    "new face and hair": "neues Gesicht und Haar",
    "new face": "neues Gesicht",
    "face detection": "findet Gesichter",
    "face landmarks": "Punkte im Gesicht",
    "person masks": "Umrisse von Personen",
    "face recogniser inside the privacy check": "Gesichtserkenner der Prüfung",
    "person detection and masks": "findet Personen und ihre Umrisse",
    "new face, hair, body; removal": "neues Gesicht, Haar, neuer Körper; Entfernen",
    "new face, hair, body on smaller GPUs": "neues Gesicht, Haar, neuer Körper auf kleineren Grafikkarten",
    "few steps for sdxl-inpainting": "wenige Schritte für sdxl-inpainting",
    "pose for sdxl-inpainting": "Körperhaltung für sdxl-inpainting",
    "removal without inventing anybody, on any machine": "Entfernen, ohne jemanden zu erfinden, auf jedem Rechner",
    "outlines by clicking": "Umrisse durch Anklicken",
    "words for the prompt: age band, hair, beard, glasses, expression": "Worte für den Zeichner: Alter, Haar, Bart, Brille, Ausdruck",
    "second recogniser: the referee, never used inside generation": "zweiter Erkenner: der Schiedsrichter, nie beim Zeichnen im Einsatz",
    "public domain": "gemeinfrei",
    "FLUX non-commercial licence": "nichtkommerzielle FLUX-Lizenz",
    "Free to use, also commercially; who passes copies on passes its licence on with them.": "Frei nutzbar, auch kommerziell; wer Kopien weitergibt, gibt die Lizenz mit.",
    "Free to use, also commercially; its list of forbidden uses binds you, and you must pass it on to your users.": "Frei nutzbar, auch kommerziell; die Liste verbotener Zwecke bindet Sie und ist an Ihre Nutzer weiterzugeben.",
    "Free to use; a changed version that is offered over a network must offer its source.": "Frei nutzbar; eine geänderte Fassung, die über ein Netz angeboten wird, muss ihren Quelltext anbieten.",
    "Free to use for everything.": "Für alles frei nutzbar.",
    "The reason why IdentiGen itself is AGPL-3.0; a commercial licence is sold by Ultralytics.": "Der Grund, warum IdentiGen selbst AGPL-3.0 ist; eine kommerzielle Lizenz verkauft Ultralytics.",
    "Not for commercial use: refused unless IDENTIGEN_ALLOW_NONCOMMERCIAL names it.": "Nicht für kommerzielle Zwecke: wird abgelehnt, solange IDENTIGEN_ALLOW_NONCOMMERCIAL es nicht nennt.",
    # masks and choices
    "the mask has {} pixels but the photo has {}; export it again at the photo's size.": "Die Maske hat {} Pixel, das Foto aber {}; bitte in der Größe des Fotos ausgeben.",
    "the mask is not a picture that can be read; save it as a black and white PNG.": "Die Maske ist kein lesbares Bild; bitte als schwarz-weißes PNG speichern.",
    "The mask is larger than any photo that can be opened here.": "Die Maske ist größer als jedes Foto, das hier geöffnet werden kann.",
    "The mask is not a picture; load a black and white PNG.": "Die Maske ist kein Bild; bitte ein schwarz-weißes PNG laden.",
    "The mask arrived damaged; try again.": "Die Maske kam beschädigt an; bitte noch einmal versuchen.",
    "The painted mask arrived damaged; paint it again.": "Die gemalte Maske kam beschädigt an; bitte noch einmal malen.",
    "An outline is mended by points, each with a label: on the person, or not.": "Ein Umriss wird durch Punkte verbessert, jeder mit der Angabe, ob er zur Person gehört.",
    "The point {} lies beside the photo of {} pixels.": "Der Punkt {} liegt neben dem Foto mit {} Pixeln.",
    "There is no outline to take something away from; click on what belongs to the person.": "Es gibt keinen Umriss, von dem etwas wegzunehmen wäre; bitte auf etwas klicken, das zur Person gehört.",
    "Nobody in this photo has the number {}.": "Niemand in diesem Foto hat die Nummer {}.",
    "There is no person {} in this photo.": "Person {} gibt es in diesem Foto nicht.",
    "There is no person {} in this photo; it shows {}.": "Person {} gibt es in diesem Foto nicht; es zeigt {}.",
    "Person {} is finished already; leave them out of one of the two.": "Person {} ist schon fertig; bitte an einer der beiden Stellen weglassen.",
    "The box {} lies outside the photo of {} pixels.": "Der Rahmen {} liegt außerhalb des Fotos mit {} Pixeln.",
    "A seed must lie between 0 and {}.": "Die Nummer einer Identität liegt zwischen 0 und {}.",
    "A new face cannot be asked for {} {}.": "Ein neues Gesicht lässt sich mit {} {} nicht verlangen.",
    "There is no photo here any more; open one.": "Hier ist kein Foto mehr; bitte eines öffnen.",
}


@lru_cache(maxsize=1024)
def translate(language: Language, text: str) -> str:
    """One or several sentences in another language; what is not known stays as it is."""
    if language == "en":
        return text
    for pattern, other in _patterns(language):
        found = pattern.fullmatch(text)
        if found:
            return other.format(*(translate(language, part) for part in found.groups()))
    first, dot, rest = text.partition(". ")
    return f"{translate(language, first + '.')} {translate(language, rest)}" if dot else text


@cache
def _patterns(language: Language) -> list[tuple[re.Pattern[str], str]]:
    """Every sentence as a pattern; those with the fewest gaps first, because a gap takes anything."""
    own = {TEXTS["en"][key]: text for key, text in TEXTS[language].items() if key.startswith(("error.", "stopped"))}
    table = {"de": _GERMAN}[language] | {_numbered(english): _numbered(text) for english, text in own.items()}
    return [(_pattern(english), table[english]) for english in sorted(table, key=lambda text: text.count("{}"))]


def _numbered(text: str) -> str:
    return re.sub(r"{\w+}", "{}", text)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, text.split("{}"))), re.DOTALL)
