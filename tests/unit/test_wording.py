"""The texts in every language: complete, translated, with the right placeholders; and dates as the CLDR has them."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from babel import Locale
from msgspec import Struct
from msgspec.structs import fields

from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.mail.times import format_span, format_start
from chalicelib.providers.base import KeyProvider
from chalicelib.providers.registry import PROVIDERS
from chalicelib.providers.rehearsal import Rehearsal
from chalicelib.wording import LANGUAGES, Wording, find_tag, in_language
from chalicelib.wording.catalogue import Plural
from chalicelib.wording.formats import TAGS, Formats
from infra import cldr

ROOT = Path(__file__).parents[2]
ENGLISH = in_language("en")
TRANSLATIONS = [in_language(language) for language in LANGUAGES if language != "en"]
UNITS = {f".workspace_pages.overview.{unit}" for unit in ("seconds", "minutes", "hours")}
SAME_AS_ENGLISH = {
    "de": {".details", ".online", *UNITS},
    "fr": {".invited.label", ".settings_page.minutes", *UNITS},
    "es": {".google_calendar", *UNITS},
    "ja": set(),
}
"""Texts that are the same in English and the language. An untranslated text must not pass for one of them."""


def texts(words: Any, path: str = "") -> dict[str, str]:
    """Every text of a catalogue by its place, without sentences, which differ by their keys."""
    if isinstance(words, str):
        return {path: words}
    if isinstance(words, Plural):
        return {path: words.other}
    if isinstance(words, Struct):
        parts = {field.name: getattr(words, field.name) for field in fields(words) if field.name != "sentences"}
    elif isinstance(words, dict):
        parts = {str(key): value for key, value in words.items()}
    else:
        parts = {str(number): value for number, value in enumerate(words)}
    return {
        place: text
        for name, part in parts.items()
        if not callable(part) and not isinstance(part, Formats)
        for place, text in texts(part, f"{path}.{name}").items()
    }


def plurals(words: Any) -> list[Plural]:
    """Every text with a number."""
    if isinstance(words, Plural):
        return [words]
    parts = [getattr(words, field.name) for field in fields(words)] if isinstance(words, Struct) else []
    return [plural for part in parts for plural in plurals(part)]


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def sentences() -> set[str]:
    """What providers and settling say to people, read from their source."""
    folders = [*(ROOT / "chalicelib/providers").glob("*.py"), ROOT / "chalicelib/domain/meeting_states.py"]
    fields = {f for p in (*PROVIDERS.values(), Rehearsal) if issubclass(p, KeyProvider) for f in p.fields}
    return {field.label for field in fields} | {text for path in folders for text in _sentences_in(path)}


def _sentences_in(path: Path) -> set[str]:
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    inner = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    inner |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
    strings = [node for node in nodes if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in inner]
    found = set()
    for node in strings:
        end = (node.values or [node])[-1] if isinstance(node, ast.JoinedStr) else node
        if isinstance(end, ast.Constant) and isinstance(end.value, str) and re.search(r"(^|[^.])\.$", end.value):
            text = eval(compile(ast.Expression(node), path.name, "eval"), vars(module))
            found |= {text} if re.match(r"[A-Z0-9].* ", text) else set()
    return found


# Complete


def test_the_languages_are_these_and_each_has_its_files() -> None:
    assert LANGUAGES == ("de", "en", "es", "fr", "ja")
    assert set(cldr.languages()) == TAGS


@pytest.mark.parametrize("words", TRANSLATIONS, ids=lambda words: words.language)
def test_every_catalogue_has_every_text_with_its_placeholders(words: Wording) -> None:
    translated, english = texts(words), texts(ENGLISH)
    assert {place: placeholders(text) for place, text in translated.items()} == {
        place: placeholders(text) for place, text in english.items()
    }


@pytest.mark.parametrize("words", [ENGLISH, *TRANSLATIONS], ids=lambda words: words.language)
def test_no_text_is_empty_or_badly_spaced(words: Wording) -> None:
    optional = {".button", ".footnote"}
    found = {place: text for place, text in texts(words).items() if text or place[place.rindex(".") :] not in optional}
    assert found.pop(".gap", "") in ("", " ")
    found |= dict(enumerate(words.sentences.values()))  # type: ignore[arg-type]
    assert [place for place, text in found.items() if not text or text != text.strip() or "  " in text] == []


@pytest.mark.parametrize("words", TRANSLATIONS, ids=lambda words: words.language)
def test_every_text_is_translated(words: Wording) -> None:
    english = texts(ENGLISH)
    same = {place for place, text in texts(words).items() if text == english[place] and re.search(r"[a-z]{3}", text)}
    formats = {place for place in same if re.fullmatch(r"[^\w]*(\{\w+\}[^\w]*)+", english[place])}
    assert same - formats == SAME_AS_ENGLISH[words.language]


@pytest.mark.parametrize("words", TRANSLATIONS, ids=lambda words: words.language)
def test_every_sentence_of_a_provider_is_translated(words: Wording) -> None:
    assert len(sentences()) > 60
    assert sorted(sentences() - set(words.sentences)) == []
    assert sorted(set(words.sentences) - sentences()) == []
    assert [text for text, translated in words.sentences.items() if text == translated] == []


@pytest.mark.parametrize("words", [ENGLISH, *TRANSLATIONS], ids=lambda words: words.language)
def test_every_reason_of_a_meeting_has_a_sentence(words: Wording) -> None:
    assert set(words.reasons) == set(MeetingReason)


def test_a_meeting_is_explained_in_the_readers_language() -> None:
    advice = "Zoom does not accept the meeting's details. Check the booking's title and times."
    rejected = Meeting(MeetingState.FAILED, reason=MeetingReason.PROVIDER_REJECTED, detail=advice)
    unforeseen = Meeting(MeetingState.FAILED, reason=MeetingReason.PROVIDER_REJECTED, detail="zoom refuses (code 7).")
    german = in_language("de")
    assert (ENGLISH.explain(rejected), ENGLISH.explain(unforeseen)) == (advice, "zoom refuses (code 7).")
    assert german.explain(rejected).startswith("Zoom akzeptiert die Angaben")
    assert german.explain(unforeseen) == german.reasons[MeetingReason.PROVIDER_REJECTED]
    assert ENGLISH.explain(Meeting(MeetingState.READY)) == ""


# Found by tag


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("de", "de"), ("de-AT", "de"), ("DE", "de"), ("en", "en"), ("en-GB", "en"), ("en-US", "en-US"),
        ("en-us", "en-US"), ("en-Latn-US", "en-US"), ("ja-JP", "ja"), ("nl", None), ("", None), ("x-klingon", None),
        ("../en", None),
    ],
)  # fmt: skip
def test_a_language_is_found_by_its_tag(tag: str, found: str | None) -> None:
    assert find_tag(tag) == found
    assert in_language(tag).language == (found or "en")


def test_american_english_has_the_same_texts() -> None:
    assert texts(in_language("en-US")) == texts(ENGLISH) | {".language": "en-US"}


# Numbers, dates and zones


@pytest.mark.parametrize("words", [ENGLISH, *TRANSLATIONS], ids=lambda words: words.language)
def test_numbers_have_the_forms_of_the_cldr(words: Wording) -> None:
    rule = Locale.parse(words.language).plural_form
    assert [words.plural(number) for number in range(1000)] == [rule(number) for number in range(1000)]
    has_one = "one" in {words.plural(number) for number in range(1000)}
    assert plurals(words)
    assert [text for text in plurals(words) if (text.one is not None) != has_one] == []
    assert [text for text in plurals(words) if placeholders(text.other) != {"count"}] == []


def test_the_files_of_formats_are_as_the_cldr_has_them() -> None:
    for tag in cldr.languages():
        assert (ROOT / f"chalicelib/wording/cldr/{tag}.json").read_text(encoding="utf-8") == cldr.text(tag)


MORNING = datetime(2027, 1, 5, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tag", "start", "span"),
    [
        ("en", "Tue, 5 Jan 2027, 10:00 (New York time)", "Tuesday, 5 January 2027, 10:00 – 12:30 (New York time)"),
        (
            "en-US",
            "Tue, Jan 5, 2027, 10:00 AM (New York time)",
            "Tuesday, January 5, 2027, 10:00 AM – 12:30 PM (New York time)",
        ),
        (
            "de",
            "Di., 5. Jan. 2027, 10:00 Uhr (Ortszeit New York)",
            "Dienstag, 5. Januar 2027, 10:00 – 12:30 Uhr (Ortszeit New York)",
        ),
        (
            "fr",
            "mar. 5 janv. 2027, 10:00 (heure de New York)",
            "mardi 5 janvier 2027, 10:00 – 12:30 (heure de New York)",
        ),
        (
            "es",
            "mar, 5 ene 2027, 10:00 (hora de Nueva York)",
            "martes, 5 de enero de 2027, 10:00 – 12:30 (hora de Nueva York)",
        ),
        ("ja", "2027年1月5日(火) 10:00（ニューヨーク時間）", "2027年1月5日火曜日 10:00～12:30（ニューヨーク時間）"),
    ],
)
def test_a_time_reads_as_people_write_it(tag: str, start: str, span: str) -> None:
    words = in_language(tag)
    assert format_start(MORNING, "America/New_York", words) == start
    assert format_span(MORNING, MORNING + timedelta(minutes=150), "America/New_York", words) == span


@pytest.mark.parametrize(
    ("hour", "clock"),
    [(0, "12:00 – 12:30 AM"), (11, "11:00 – 11:30 AM"), (12, "12:00 – 12:30 PM"), (13, "1:00 – 1:30 PM")],
)
def test_americans_read_twelve_hours(hour: int, clock: str) -> None:
    start = MORNING.replace(hour=hour)
    assert format_span(start, start + timedelta(minutes=30), "UTC", in_language("en-US")).endswith(f"{clock} (UTC)")


@pytest.mark.parametrize(
    ("zone", "names"),
    [
        ("Asia/Tokyo", "Tokyo time|Ortszeit Tokio|heure de Tokyo|hora de Tokio|東京時間"),
        ("Africa/Cairo", "Cairo time|Ortszeit Kairo|heure du Caire|hora de El Cairo|カイロ時間"),
        ("Europe/Athens", "Athens time|Ortszeit Athen|heure d’Athènes|hora de Atenas|アテネ時間"),
        ("Asia/Calcutta", "Kolkata time|Ortszeit Kalkutta|heure de Calcutta|hora de Calcuta|コルカタ時間"),
        ("US/Eastern", "New York time|Ortszeit New York|heure de New York|hora de Nueva York|ニューヨーク時間"),
        ("Etc/GMT+5", "UTC-05:00|UTC-05:00|UTC-05:00|UTC-05:00|UTC-05:00"),
        ("UTC", "UTC|UTC|UTC|UTC|UTC"),
    ],
)
def test_a_zone_is_called_as_people_call_it(zone: str, names: str) -> None:
    times = [format_start(MORNING, zone, in_language(tag)) for tag in ("en", "de", "fr", "es", "ja")]
    assert [re.split(r" \((?!.\))|（", time)[-1].rstrip(")）") for time in times] == names.split("|")


@pytest.mark.parametrize("words", [ENGLISH, *TRANSLATIONS], ids=lambda words: words.language)
def test_no_zone_shows_its_identifier(words: Wording) -> None:
    names = {zone: words.formats.city(zone) for zone in available_timezones()}
    assert [zone for zone, city in names.items() if city is not None and re.search(r"[_/]|^$", city)] == []
    assert len([city for city in names.values() if city]) > 500
