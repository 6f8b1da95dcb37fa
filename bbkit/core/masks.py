"""Masks: personal and secret data that has a form is replaced by its kind in any text, and counted.

Masking is not anonymisation: names, addresses and whatever has no form stay.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain

from bbkit.core.files import read_data

EMAIL, PHONE, CARD, IBAN, ACCOUNT = "e-mail", "phone", "card", "IBAN", "account id"
AWS_KEY, SECRET = "AWS key", "secret"

KINDS = {
    EMAIL: "e-mail addresses",
    PHONE: "phone numbers",
    CARD: "card numbers",
    IBAN: "IBANs",
    ACCOUNT: "AWS account ids",
    AWS_KEY: "AWS and Bedrock keys",
    SECRET: "tokens, passwords, private keys and signatures of URLs",
}
"""What is looked for, by the name that takes its place."""

Mask = tuple[int, int, str]
"""Where in a text something is, and its kind."""

Finder = Callable[[str], Iterable[Mask]]


def mask_text(text: str) -> tuple[str, Counter[str]]:
    """Put its kind, in brackets, in the place of everything that `find_masks` finds."""
    masks = find_masks(text)
    return put_masks([text], masks)[0], Counter(name for *_, name in masks)


def put_masks(parts: Iterable[str], masks: Iterable[Mask]) -> list[str]:
    """Put masks that were found in the parts as one text into each part."""
    masked, open_masks, offset = [], sorted(masks, reverse=True), 0
    for part in parts:
        end, position, pieces = offset + len(part), offset, []
        while open_masks and open_masks[-1][0] < end:
            start, stop, name = open_masks.pop()
            pieces.append(part[position - offset : max(start, offset) - offset])
            pieces += [f"[{name}]"] if start >= offset else []
            position = min(stop, end)
            if stop > end:  # the rest of it is in the next part
                open_masks.append((start, stop, name))
                break
        masked.append("".join(pieces) + part[position - offset :])
        offset = end
    return masked


def find_masks(text: str, own: Iterable[Finder] = ()) -> list[Mask]:
    """Find what `KINDS` names, and what `own` finds before it, in the order of the text."""
    found: list[Mask] = []
    if not own and not _WORTH_A_LOOK.search(text):
        return found
    rest = (text if text.isascii() else text.translate(_FOLDED)).replace("\0", " ")

    def take(spans: Iterable[Mask]) -> str:
        new, last = [], 0
        for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
            if start >= last and "\0" not in rest[start:end]:
                new.append((start, end, kind))
                last = end
        found.extend(span for span in new if span[2])
        return _blank(rest, new)

    for find in (*own, _find_secrets):
        rest = take(find(rest))
    if "@" in rest:
        rest = take((*match.span(), EMAIL) for match in _EMAIL.finditer(rest))
    if _SEVEN_DIGITS.search(rest):
        rest = rest.replace("_", " ")
        for find in _NUMBERS:
            rest = take(find(rest))
    return sorted(found)


def _blank(text: str, masks: Iterable[Mask]) -> str:
    """The text, as long as before, with nothing to find where the masks are; they do not overlap."""
    pieces, position = [], 0
    for start, end, _ in sorted(masks):
        pieces += [text[position:start], "\0" * (end - start)]
        position = end
    return "".join(pieces) + text[position:] if pieces else text


class _Fold(dict[int, str]):
    """How a character is read: digits of any script as 0-9, spaces and dashes as one, wide forms as ASCII."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = {"\u2212": "-", "\u3002": ".", "\u00b7": ".", "\u2022": "."}.get(
            character
        ) or unicodedata.normalize("NFKC", character)
        match unicodedata.category(character):
            case "Nd":
                folded = str(unicodedata.digit(character))
            case "Zs" | "Cf" if character not in "\u200c\u200d":  # which words of some languages hold
                folded = " "
            case "Pd":
                folded = "-"
        self[code] = folded if len(folded) == 1 and folded.isascii() else character
        return self[code]


_FOLDED = _Fold()

# Each pattern begins with a set of characters and looks back only then: that is what `re` scans for fast.
_WORTH_A_LOOK = re.compile(r"[@0-9\u0660-\U0001fbf9:=]|[\w.-]{20}")
# Every known token is in a run such as this, of which prose has few.
_RUN = re.compile(r"[\w+/=.~%:@-]{20,}")
_SCHEME = re.compile(r"(?i)(?<![a-z])(?:bearer|basic|negotiate)[ :]{1,3}$")
_VALUE = re.compile(r"(?:[:=]|%3[AD])(?=>?[\"' ]{0,3}([^\s\"'&<>,;:=(\[{][^\s\"'&<>,;]{5,1000}))")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]*(?:-(?!----)[^-]*)*-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:(?:\s|\\[nr])*[A-Za-z0-9+/=]{16,})*)"
)
_URL_PASSWORD = re.compile(r"://[^\s/:@\"'<>]{0,64}:([^\s/@\"'<>]{3,128})@")
_SEVEN_DIGITS = re.compile(r"[0-9](?:[^0-9]{0,3}[0-9]){6}")
# The marks and pictures that domains may hold and that are no letters to `re`.
_MARK = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0e4e\u0e80-\u109f"
    "\u1780-\u17d3\u200c\u200d\u2600-\u27bf\u3099\u309a\U0001f300-\U0001faff"
)
_LOCAL = rf"\-\w.+%{_MARK}"
_EMAIL = re.compile(
    rf"(?:[{_LOCAL}](?<![{_LOCAL}].)[{_LOCAL}']{{0,200}}|\"[^\"\n]{{1,64}}\")@(?:\[[0-9A-Za-z.:]{{3,50}}\]|"
    rf"(?:[\w{_MARK}-]{{1,63}}\.){{1,8}}(?:xn--[A-Za-z0-9-]{{2,59}}|(?:[^\W\d_]|[{_MARK}]){{2,63}}))"
)

# What is a number, a date or an id and nothing else, whatever digits it has.
_PLAIN = (
    re.compile(r"[0-9a-fA-F](?<!\w.)[0-9a-fA-F]{7}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?!\w)"),
    re.compile(
        r"[12](?<![\w+].)[0-9]{3}([-/.])[01]?[0-9]\1[0-3]?[0-9](?![0-9])"
        r"(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
    ),
    re.compile(r"[0-3](?<![\w+].)[0-9]?([-/. ])[0-3]?[0-9]\1(?:19|20)[0-9]{2}(?![0-9])"),
    re.compile(  # a time as a number
        r"[12](?<![\w:+].)(?:(?<=1)9|(?<=2)0)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
        r"(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?(?![\w:])"
    ),
    re.compile(
        r"[0-9](?<![\w.,+].)[0-9]{0,2}(?:(?:,[0-9]{3})+(?:\.[0-9]+)?|(?:\.[0-9]{3})+(?:,[0-9]+)?)"
        r"(?![\w,]|\.[0-9])"
    ),
    # A whole number that pandas passed through floats is not one of these.
    re.compile(
        r"[0-9](?<![\w.].)(?:(?<=0)|(?<=[1-9])(?<![0-9][ \-].)(?![0-9]{9,}\.0+(?![0-9]))[0-9]*)"
        r"\.[0-9]+(?:[eE][-+]?[0-9]+)?(?!\w|\.[0-9])"
    ),
    re.compile(r"0(?<![\w.,].),[0-9]+(?![\w,]|\.[0-9])"),
)

_GAP = r"[ .\-]"

_IBAN_START = re.compile(rf"[A-Za-z](?:(?<![A-Za-z0-9].)|(?<=IBAN.))[A-Za-z](?={_GAP}?[0-9]{{2}})")

_CARD = re.compile(r"[2-689](?<![0-9].)(?<![0-9]\..)(?:[ .\-/()]{0,3}[0-9]){12,18}")
# https://en.wikipedia.org/wiki/Payment_card_number#Issuer_identification_number_(IIN), 2026-11: times as
# numbers begin with 1.
_ISSUED = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}|3[0-9]{13,18}|[56][0-9]{12,18}|[89][0-9]{15}"
    r"|2(?:2(?:0[0-4]|2[1-9]|[3-9][0-9])|[3-6][0-9]{2}|7(?:[01][0-9]|20))[0-9]{12,15}"
)
_GROUP = re.compile("[0-9]+")
_GOES_ON = re.compile(r"[0-9a-z]|\.(?!0+(?![0-9]))[0-9]")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

# Before account ids, of which a number such as +442071838750 would look like one.
_PLUS_PHONE = re.compile(r"\+(?<![\w+].)[1-9](?:[ ().\-/]{0,3}[0-9]){6,14}(?![\w\-])")
_ACCOUNT = re.compile(r"[0-9](?<![0-9A-Za-z].)(?:[0-9]{11}|[0-9]{3}-[0-9]{4}-[0-9]{4})(?![0-9A-Za-z])")
_PHONE = re.compile(
    r"[(0-9](?<![\w+].)(?<![0-9][.,].)(?:"
    r"(?<=0)0[1-9](?:[ ().\-/]{0,3}[0-9]){7,13}"  # international, 00
    # national: trunk prefix 0, and 8 in some countries
    rf"|(?<=0)[1-9][0-9]{{0,5}}(?:{_GAP}{{1,3}}[0-9]{{1,9}}){{1,5}}"
    r"|(?<=0)[1-9][0-9]{1,4} ?/ ?[0-9]{4,8}(?:[ \-]?[0-9]{1,4}){0,3}"
    r"|(?<=0)[1-9][0-9]{8,9}"
    rf"|(?<=\()0[1-9][0-9]{{0,4}}\)[ \-]?[0-9]{{2,8}}(?:{_GAP}?[0-9]{{2,4}}){{0,3}}"
    rf"|(?<=\()[1-9][0-9]{{0,3}}\)[ \-]?[0-9]{{3,5}}{_GAP}?[0-9]{{4}}"
    r"|(?<=8)[ \-]?(?:\([0-9]{3,5}\)|[0-9]{3,5})[ \-]?[0-9]{1,3}-[0-9]{2}-[0-9]{2}"
    # North America
    rf"|(?<=1){_GAP}(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}{_GAP})[0-9]{{3}}{_GAP}[0-9]{{4}}"
    rf"|(?<=[2-9])[0-9]{{2}}({_GAP})[0-9]{{3}}\1[0-9]{{4}}"
    r"|(?<=[2-9])[0-9]{2}-0[0-9]{3}"
    # without a trunk prefix, in groups that numbers are not written in: 612 34 56 78, 131 2345 6789
    rf"|(?<=[5-9])[0-9]{{2}}({_GAP})[0-9]{{2}}\2[0-9]{{2}}\2[0-9]{{2}}"
    rf"|(?<=[1-9])[0-9]({_GAP})[0-9]{{3}}\3[0-9]{{2}}\3[0-9]{{2}}"
    rf"|(?<=[1-9])[0-9]{{1,2}}({_GAP})[0-9]{{3,4}}\4[0-9]{{4}}"
    r")(?![\w\-]|[.,][0-9]| ?%)"
)
_DIGITS = re.compile(r"[(0-9](?<![\w+].)[0-9]{0,5}(?:[ ().\-]{0,2}[0-9]){6,14}(?![\w\-]|\.[1-9])")


@cache
def _known_secrets() -> re.Pattern[str]:
    """What is known by its form, of AWS in the group `aws`."""
    data = read_data("masks")
    aws, others = ("|".join(chain(*data[name].values())) for name in ("aws_keys", "secrets"))
    return re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-F]{{2}}))(?:(?P<aws>{aws})|{others})")


@cache
def _words_before(name: str) -> re.Pattern[str]:
    """Words after which a secret or a phone number stands, if nothing but `between` is between."""
    words, between = read_data("masks")[name].values()
    return re.compile(rf"(?i)(?:{'|'.join(words)}){between}$")


@cache
def is_telling(name: str) -> bool:
    """Whether what stands under this name is a phone number or a secret, whatever its form."""
    return any(_words_before(words).search(f"{name}: ") for words in ("secret_names", "phone_words"))


@cache
def _iban_form(country: str) -> re.Pattern[str] | None:
    length = read_data("masks")["iban_lengths"]["lengths"].get(country)
    rest = rf"[A-Za-z]{{2}}{_GAP}?[0-9]{{2}}(?:{_GAP}{{0,2}}[A-Za-z0-9]){{{length and length - 4}}}"
    return re.compile(rf"{rest}(?![A-Za-z0-9])") if length else None


def _find_secrets(text: str) -> Iterator[Mask]:
    if "PRIVATE KEY" in text:
        yield from ((*match.span(), SECRET) for match in _PRIVATE_KEY.finditer(text))
    if "://" in text and "@" in text:
        yield from ((*match.span(1), SECRET) for match in _URL_PASSWORD.finditer(text))
    for run in _RUN.finditer(text):
        start, end = run.span()
        for match in _known_secrets().finditer(text, start, end):
            yield *match.span(), AWS_KEY if match["aws"] else SECRET
        if _is_mixed(run[0]) and _SCHEME.search(text, max(0, start - 14), start):
            yield start, end, SECRET
    for match in _VALUE.finditer(text):
        before = text, max(0, match.start() - 24), match.start()
        if _is_mixed(match[1]) and _words_before("secret_names").search(*before):
            yield *match.span(1), SECRET


def _is_mixed(value: str) -> bool:
    """Tell a secret from a word, a count or the name of a thing after the same word."""
    value = value.rstrip("])}.!?")
    is_word = value.isalpha() and (value.islower() or value.istitle())
    return any(map(str.isalpha, value)) and not is_word and not value.startswith(("arn:", "s3:", "http"))


def _find_plain(text: str) -> Iterator[Mask]:
    return ((*match.span(), "") for pattern in _PLAIN for match in pattern.finditer(text))


def _find_ibans(text: str) -> Iterator[Mask]:
    for start in _IBAN_START.finditer(text):
        form = _iban_form(start[0].upper())
        if form and (match := form.match(text, start.start())) and _is_iban(match[0]):
            yield *match.span(), IBAN


def _find_cards(text: str) -> Iterator[Mask]:
    position = 0
    while match := _CARD.search(text, position):
        start = match.start()
        groups = [group.span() for group in _GROUP.finditer(text, start, match.end())]
        end = start
        while groups and end == start:
            end = groups[-1][1] if _is_card(text, groups) else start
            groups.pop()
        if end > start:
            yield start, end, CARD
        position = max(end, start + 1)


def _find_foreign_phones(text: str) -> Iterator[Mask]:
    return ((*match.span(), PHONE) for match in _PLUS_PHONE.finditer(text))


def _find_accounts(text: str) -> Iterator[Mask]:
    return ((*match.span(), ACCOUNT) for match in _ACCOUNT.finditer(text) if not match[0].endswith("000000"))


def _find_national_phones(text: str) -> Iterator[Mask]:
    for match in _PHONE.finditer(text):
        if 8 <= sum(map(str.isdigit, match[0])) <= 15 or match[0][3:5] == "-0":
            yield *match.span(), PHONE


def _find_called_phones(text: str) -> Iterator[Mask]:
    """Any number of the right length, where a word before it says that it is called."""
    for match in _DIGITS.finditer(text):
        if _words_before("phone_words").search(text, max(0, match.start() - 40), match.start()):
            yield *match.span(), PHONE


_NUMBERS = (
    _find_plain,
    _find_ibans,
    _find_cards,
    _find_foreign_phones,
    _find_accounts,
    _find_national_phones,
    _find_called_phones,
)
"""In this order, since some look like others."""


def _is_card(text: str, groups: list[tuple[int, int]]) -> bool:
    """Tell a card number, in groups that card numbers are written in, by its issuer and its check digit."""
    if groups[-1][1] - groups[0][0] < 13 + len(groups) - 1 or _GOES_ON.match(text, groups[-1][1]):
        return False
    sizes = [end - start for start, end in groups]
    if not (len({*sizes[:-1]}) <= 1 and sizes[-1] <= sizes[0]) and sizes[:2] != [4, 6]:
        return False
    number = "".join(text[start:end] for start, end in groups)
    if len({*number}) == 1 or not _ISSUED.fullmatch(number):
        return False
    codes = number.encode()
    return (sum(codes[-1::-2]) + sum(codes[-2::-2].translate(_DOUBLED)) - 48 * len(codes)) % 10 == 0


def _is_iban(text: str) -> bool:
    characters = "".join(filter(str.isalnum, text))
    return int("".join(str(int(character, 36)) for character in characters[4:] + characters[:4])) % 97 == 1
