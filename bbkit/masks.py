"""Masks: patterns of personal and secret data in any text are replaced by their names, and counted.

Masking is not anonymisation: names, addresses and whatever has no pattern stay.
"""

import re
from collections import Counter
from collections.abc import Callable

EMAIL, PHONE, CARD, IBAN, ACCOUNT, AWS_KEY = "e-mail", "phone", "card", "IBAN", "account id", "AWS key"

_WORTH_A_LOOK = re.compile(r"@|[0-9]")
_SEVEN_DIGITS = re.compile(r"(?:[0-9][^0-9]{0,3}){6}[0-9]")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
_ACCESS_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA|ANVA|APKA|AIPA)[A-Z2-7]{16}(?![A-Za-z0-9])"
)
_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ \u00a0]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![0-9])[0-9](?:[ \u00a0-]?[0-9]){12,22}(?![0-9])")
_ACCOUNT = re.compile(r"(?<![0-9])(?:[0-9]{12}|[0-9]{4}-[0-9]{4}-[0-9]{4})(?![0-9])")
_PHONE = re.compile(
    r"(?<![\w+])(?:"
    r"(?:\+|00)[1-9](?:[ \u00a0().\-/]{0,3}[0-9]){7,14}"  # international
    r"|0[1-9][0-9]{0,3}(?:[ \u00a0.\-/]{1,3}[0-9]{2,8}){1,4}"  # national, trunk prefix 0
    r"|(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ ]?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}"  # North America
    r"|[2-9][0-9]{2}-[0-9]{4}"
    r")(?![\w-])"
)
_GROUP = re.compile(r"[A-Za-z0-9]+")
_DATE = re.compile(r"(?<![0-9])[0-3]?[0-9]([.\-/ ])[0-3]?[0-9]\1(?:19|20)[0-9]{2}(?![0-9])")


def mask_text(text: str) -> tuple[str, Counter[str]]:
    """Replace e-mail addresses, phone and card numbers, IBANs, AWS account ids and AWS keys by their names.

    Card numbers must pass the Luhn check and IBANs their checksum (ISO 13616); the rest goes by form, rather
    too much than too little.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    tuple of (str, Counter)
        The text, with ``[e-mail]``, ``[phone]``, ``[card]``, ``[IBAN]``, ``[account id]``, ``[AWS key]`` in
        their place, and how many of each there were.
    """
    counts: Counter[str] = Counter()
    if not _WORTH_A_LOOK.search(text):
        return text, counts
    if "@" in text:
        text = _replace(_EMAIL, text, EMAIL, counts)
    text = _replace(_ACCESS_KEY, text, AWS_KEY, counts)
    text = _replace(_SECRET_KEY, text, AWS_KEY, counts, _is_secret_key)
    if _SEVEN_DIGITS.search(text):
        text = _replace(_IBAN, text, IBAN, counts, _is_iban)
        text = _replace(_CARD, text, CARD, counts, _is_card)
        text = _replace(_ACCOUNT, text, ACCOUNT, counts)
        text = _PHONE.sub(lambda match: _put_phone(match[0], counts), text)
    return text, counts


def _put_phone(text: str, counts: Counter[str]) -> str:
    if _DATE.search(text) or not 7 <= len(_digits(text)) <= 15:
        return text
    counts[PHONE] += 1
    return f"[{PHONE}]"


def _replace(
    pattern: re.Pattern[str],
    text: str,
    name: str,
    counts: Counter[str],
    accept: Callable[[str], bool] | None = None,
) -> str:
    def put(match: re.Match[str]) -> str:
        found = match[0]
        start, end = (0, len(found)) if accept is None else _longest(found, accept)
        if start == end:
            return found
        counts[name] += 1
        rest = found[end:]
        return f"{found[:start]}[{name}]{_replace(pattern, rest, name, counts, accept) if rest else ''}"

    return pattern.sub(put, text)


def _longest(text: str, accept: Callable[[str], bool]) -> tuple[int, int]:
    """The longest stretch of whole groups that is accepted: ``4111 1111 1111 1111 12/27`` holds a card."""
    groups = [match.span() for match in _GROUP.finditer(text)]
    spans = [(start, end) for start, _ in groups for _, end in groups if start < end]
    for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
        if accept(text[start:end]):
            return start, end
    return (0, len(text)) if accept(text) else (0, 0)


def _digits(text: str) -> list[int]:
    return [int(sign) for sign in text if sign.isdigit()]


def _is_card(text: str) -> bool:
    digits = _digits(text)
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _is_iban(text: str) -> bool:
    letters = "".join(_GROUP.findall(text)).upper()
    if not 15 <= len(letters) <= 34 or not letters[:2].isalpha() or not letters[2:4].isdigit():
        return False
    return int("".join(str(int(sign, 36)) for sign in letters[4:] + letters[:4])) % 97 == 1


def _is_secret_key(text: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    return len(text) == 40 and all(any(kind(sign) for sign in text) for kind in kinds)
