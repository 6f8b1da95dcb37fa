"""Masks: patterns of personal and secret data in any text are replaced by their names, and counted.

Masking is not anonymisation: names, addresses and whatever has no pattern stay.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import partial

EMAIL, PHONE, CARD, IBAN, ACCOUNT, AWS_KEY = "e-mail", "phone", "card", "IBAN", "account id", "AWS key"

# Each pattern begins with a set of characters and looks back only then: that is what `re` scans for fast.
_WORTH_A_LOOK = re.compile(r"[@0-9]")
_SEVEN_DIGITS = re.compile(r"[0-9](?:[^0-9]{0,3}[0-9]){6}")
_EMAIL = re.compile(r"[\w.+%-](?<![\w.+%-].)[\w.+%-]{0,63}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
_ACCESS_KEY = re.compile(
    r"A(?<![A-Za-z0-9]A)(?:KIA|SIA|BIA|CCA|ROA|IDA|GPA|NPA|NVA|PKA|IPA)[A-Z2-7]{16}(?![A-Za-z0-9])"
)
_SECRET_KEY = re.compile(r"[A-Za-z0-9/+](?<![A-Za-z0-9/+].)[A-Za-z0-9/+]{39}(?![A-Za-z0-9/+=])")
# Models write typographic spaces and dashes, too.
_SPACE, _DASH = r" \u00a0\u2000-\u200a\u202f", r"\-\u2010-\u2015\u2212"
_IBAN = re.compile(
    rf"[A-Z](?<![A-Za-z0-9].)[A-Z][0-9]{{2}}(?:[{_SPACE}]?[A-Za-z0-9]){{11,30}}(?![A-Za-z0-9])"
)
_CARD = re.compile(rf"[0-9](?<![0-9].)(?:[{_SPACE}{_DASH}]?[0-9]){{12,22}}(?![0-9])")
# Letters beside the digits make it a part of something else, such as a hexadecimal id.
_ACCOUNT = re.compile(
    rf"[0-9](?<![0-9A-Za-z].)(?:[0-9]{{11}}|[0-9]{{3}}[{_DASH}][0-9]{{4}}[{_DASH}][0-9]{{4}})(?![0-9A-Za-z])"
)
_MORE = rf"(?:[{_SPACE}{_DASH}().\/]{{0,3}}[0-9]){{7,14}}"
_GAP = rf"[{_SPACE}{_DASH}.]"
# Before account ids, of which a number such as +442071838750 would look like one.
_PLUS_PHONE = re.compile(rf"\+(?<![\w+].)[1-9]{_MORE}(?![\w{_DASH}])")
_PHONE = re.compile(
    r"[(0-9](?<![\w+].)(?:"
    rf"(?<=0)0[1-9]{_MORE}"  # international, 00
    rf"|(?<=0)[1-9][0-9]{{0,3}}(?:[{_SPACE}{_DASH}.\/]{{1,3}}[0-9]{{2,8}}){{1,4}}"  # national, trunk prefix 0
    r"|(?<=0)[1-9][0-9]{8,9}"
    # North America
    rf"|(?<=1){_GAP}(?:\([2-9][0-9]{{2}}\)[{_SPACE}]?|[2-9][0-9]{{2}}{_GAP})[0-9]{{3}}{_GAP}[0-9]{{4}}"
    rf"|(?<=\()[2-9][0-9]{{2}}\)[{_SPACE}]?[0-9]{{3}}{_GAP}[0-9]{{4}}"
    rf"|(?<=[2-9])[0-9]{{2}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{4}}"
    rf"|(?<=[2-9])[0-9]{{2}}[{_DASH}][0-9]{{4}}"
    r"|(?<=[2-9])[0-9]{9}"
    rf")(?![\w{_DASH}])"
)
_GROUP = re.compile(r"[A-Za-z0-9]+")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_DATE = re.compile(r"(?<![0-9])[0-3]?[0-9]([.\-/ ])[0-3]?[0-9]\1(?:19|20)[0-9]{2}(?![0-9])")


def mask_text(text: str) -> tuple[str, Counter[str]]:
    """Mask e-mail addresses, phone and card numbers, IBANs, AWS account ids and AWS keys by their names."""
    counts: Counter[str] = Counter()
    if not _WORTH_A_LOOK.search(text):
        return text, counts
    if "@" in text:
        text = _replace(_EMAIL, text, EMAIL, counts)
    text = _replace(_ACCESS_KEY, text, AWS_KEY, counts)
    text = _replace(_SECRET_KEY, text, AWS_KEY, counts, _find_secret_key)
    if _SEVEN_DIGITS.search(text):
        text = _replace(_IBAN, text, IBAN, counts, partial(_find_longest, accept=_is_iban, least=15, most=34))
        text = _replace(_CARD, text, CARD, counts, partial(_find_longest, accept=_is_card, least=13, most=19))
        text = _replace(_PLUS_PHONE, text, PHONE, counts, _find_phone)
        text = _replace(_ACCOUNT, text, ACCOUNT, counts)
        text = _replace(_PHONE, text, PHONE, counts, _find_phone)
    return text, counts


Span = tuple[int, int]
"""Where in a match of a pattern the thing itself is; `NOWHERE` when the match is something else."""

NOWHERE = (0, 0)


def _find_all(text: str) -> Span:
    return 0, len(text)


def _find_secret_key(text: str) -> Span:
    kinds = (str.isupper, str.islower, str.isdigit)
    return (0, len(text)) if all(any(map(kind, text)) for kind in kinds) else NOWHERE


def _find_phone(text: str) -> Span:
    is_phone = 7 <= sum(map(str.isdigit, text)) <= 15 and not _DATE.search(text)
    return (0, len(text)) if is_phone else NOWHERE


def _find_longest(text: str, accept: Callable[[str], bool], least: int, most: int) -> Span:
    """The longest stretch of whole groups that passes: ``4111 1111 1111 1111 12/27`` holds a card."""
    groups = _GROUP.findall(text)
    spans = []
    for first in range(len(groups)):
        length = 0
        for last in range(first, len(groups)):
            length += len(groups[last])
            if length > most:
                break
            if length >= least:
                spans.append((-length, first, last))
    for _, first, last in sorted(spans):
        if accept("".join(groups[first : last + 1])):
            positions = [match.span() for match in _GROUP.finditer(text)]
            return positions[first][0], positions[last][1]
    return NOWHERE


def _replace(
    pattern: re.Pattern[str],
    text: str,
    name: str,
    counts: Counter[str],
    find: Callable[[str], Span] = _find_all,
) -> str:
    def put(match: re.Match[str]) -> str:
        text = match[0]
        start, end = find(text)
        if start == end:
            return text
        counts[name] += 1
        after = text[end:]
        return f"{text[:start]}[{name}]{_replace(pattern, after, name, counts, find) if after else ''}"

    return pattern.sub(put, text)


def _is_card(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    codes = digits.encode()
    return (sum(codes[-1::-2]) + sum(codes[-2::-2].translate(_DOUBLED)) - 48 * len(codes)) % 10 == 0


def _is_iban(characters: str) -> bool:
    characters = characters.upper()
    if not characters[:2].isalpha() or not characters[2:4].isdigit():
        return False
    return int("".join(str(int(character, 36)) for character in characters[4:] + characters[:4])) % 97 == 1
