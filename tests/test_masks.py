"""Masks: what has the form of personal or secret data goes, what only looks a little like it stays."""

import json
import random
import re
import string
import time
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from bbkit.core.masks import KINDS, mask_text

DATA = Path(__file__).parent / "data"
PHONES = json.loads((DATA / "phones.json").read_text())["numbers"]
SECRETS = json.loads((DATA / "secrets.json").read_text())["forms"]
HARMLESS = json.loads((DATA / "harmless.json").read_text())["texts"]
ALPHABETS = {
    "mixed": string.ascii_letters + string.digits,
    "base64": string.ascii_letters + string.digits + "/+",
    "hex": "0123456789abcdef",
    "upper": string.ascii_uppercase + "234567",
    "digits": string.digits,
}


def make_secret(form: str) -> tuple[str, list[str]]:
    """A text as its form says, and the made-up parts of it that must not stay."""
    made: list[str] = []
    chosen = random.Random(form)

    def fill(field: re.Match[str]) -> str:
        made.append("".join(chosen.choices(ALPHABETS[field[1]], k=int(field[2]))))
        return made[-1]

    return re.sub(r"\{(\w+):([0-9]+)\}", fill, form.replace("{key}", "PRIVATE")), made


@pytest.mark.parametrize(
    ("text", "masked", "counts"),
    [
        ("Write to jane.doe+x@example.co.uk, please", "Write to [e-mail], please", {"e-mail": 1}),
        ("a@example.com;b@example.com", "[e-mail];[e-mail]", {"e-mail": 2}),
        ("call +44 20 7946 0958 now", "call [phone] now", {"phone": 1}),
        ("(212) 555-0123 or 212-555-0123 or 555-0123", "[phone] or [phone] or [phone]", {"phone": 3}),
        ("ring 020 7946 0958.", "ring [phone].", {"phone": 1}),
        ("card 4111 1111 1111 1111 12/27", "card [card] 12/27", {"card": 1}),
        ("order 555 4111-1111-1111-1111", "order 555 [card]", {"card": 1}),
        ("amex 378282246310005", "amex [card]", {"card": 1}),
        ("IBAN DE89 3704 0044 0532 0130 00 and more", "IBAN [IBAN] and more", {"IBAN": 1}),
        ("GB82WEST12345698765432", "[IBAN]", {"IBAN": 1}),
        ("arn:aws:iam::111122223333:role/x", "arn:aws:iam::[account id]:role/x", {"account id": 1}),
        ("account 1111-2222-3333", "account [account id]", {"account id": 1}),
        ("id AKIAIOSFODNN7EXAMPLE", "id [AWS key]", {"AWS key": 1}),
        ("'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE8'", "'[AWS key]'", {"AWS key": 1}),
        ("aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key=[AWS key]",
         {"AWS key": 1}),
        ("call +442071838750", "call [phone]", {"phone": 1}),
        ("mobile 5551234567, 07700900123 or 01711234567", "mobile [phone], [phone] or [phone]", {"phone": 3}),
        ("+1\u2011555\u2011123\u20114567", "[phone]", {"phone": 1}),
        ("4111\u20091111\u202f1111\u20091111", "[card]", {"card": 1}),
        ("مرحبا +49 30 901820 🙂", "مرحبا [phone] 🙂", {"phone": 1}),
    ],
)  # fmt: skip
def test_it_goes_and_is_counted(text: str, masked: str, counts: dict[str, int]):
    assert mask_text(text) == (masked, counts)


@pytest.mark.parametrize(("kind", "form"), SECRETS, ids=[form for _, form in SECRETS])
def test_a_secret_of_every_form_goes(kind: str, form: str):
    secret, made = make_secret(form)
    for text in (secret, f"it was {secret} and then", f"<{secret}>", f"a: {secret},"):
        masked, counts = mask_text(text)
        assert counts[kind] == 1
        assert not [part for part in made if part in masked]
        assert (masked[:6], masked[-8:]) == (text[:6], text[-8:]) or text[0] != "i"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("card", f"4111{gap}1111{gap}1111{gap}1111") for gap in " -._\u00a0\u2009\u2011\u2013\u200b"),
        ("card", "4111111111111111"),
        ("card", "4111 - 1111 - 1111 - 1111"),
        ("card", "4111111111111111.0"),
        ("card", "4111/1111/1111/1111"),
        ("card", "4111\u00b71111\u00b71111\u00b71111"),
        ("card", "4111-1111 1111.1111"),
        ("card", "4111 1111 1111\t1111"),
        ("card", "622202 0200041234564"),
        ("IBAN", "BG26CORS752993AEGJBAJB"),
        ("e-mail", "https://x.example/?mail=user%40example.org"),
        ("phone", "https://x.example/?call=%2B49301234567"),
        ("card", "４１１１　１１１１　１１１１　１１１１"),
        ("card", "٤١١١١١١١١١١١١١١١"),
        ("card", "3782 822463 10005"),
        ("card", "3056-930902-5904"),
        ("card", "5555 5555 5555 4444"),
        ("card", "2223 0031 2200 3222"),
        ("card", "6011.1111.1111.1117"),
        ("card", "call_4111111111111111.wav"),
        ("card", "12,4111111111111111,0612345678"),
        *(("IBAN", "DE89 3704 0044 0532 0130 00".replace(" ", gap)) for gap in " -._\u00a0\u202f\u2212"),
        ("IBAN", "de89370400440532013000"),
        ("IBAN", "DE 89 37040044 0532013000"),
        ("IBAN", "IBANDE89370400440532013000"),
        ("IBAN", "no 12 DE89 3704 0044 0532 0130 00 and"),
        ("IBAN", "gb82 west 1234 5698 7654 32"),
        ("IBAN", "ＤＥ８９３７０４００４４０５３２０１３０００"),
        ("IBAN", "NO93-8601-1117-947"),
        ("IBAN", "FR14 2004 1010 0505 0001 3M02 606"),
        ("account id", "111122223333.0"),
        ("account id", "1111\u20112222\u20113333"),
        ("e-mail", "почта@пример.рф"),
        ("e-mail", "मोहन@उदाहरण.भारत"),
        ("e-mail", "josé@münchen.example"),
        ("e-mail", "jose\u0301@mu\u0308nchen.example"),
        ("e-mail", "用户@例え。jp"),
        ("e-mail", "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
        ("e-mail", "x@xn--e1afmkfd.xn--p1ai"),
        ("e-mail", "o'brien@example.com"),
        ("e-mail", "jane@[192.168.1.20]"),
        ("e-mail", '"jane doe"@example.com'),
        ("e-mail", "call_jane.doe@example.com_2026-10-05.wav"),
        ("phone", "call_+442071838750_1.wav"),
        ("phone", "tel:+49-30-901820"),
        ("phone", "(+44) 20 7183 8750"),
        ("phone", "+44 (0)20 7183 8750"),
        ("phone", "Phone 6123 4567"),
        ("phone", '"mobile": 5551234567'),
        ("phone", "reach me on 512 345 678"),
        ("phone", "電話 0312345678"),
    ],
)  # fmt: skip
def test_other_spellings_go(kind: str, text: str):
    masked, counts = mask_text(text)
    assert counts == {kind: 1} or "," in text
    left = masked.replace(f"[{kind}]", "")
    assert not re.search(r"[@０-９]|(?<!2026)(?<!_)[0-9]{3}", left.replace("0612345678", ""))


def test_nine_of_ten_example_numbers_go():
    """Example numbers of phonenumbers, 20 regions, fixed and mobile, in three forms, without a word."""
    numbers = [number for row in PHONES for number in row[2:]]
    found = [number for number in numbers if mask_text(f"x {number}, y")[1] == {"phone": 1}]
    assert len(numbers) == 120
    assert len(found) >= 0.9 * len(numbers)
    told = [number for number in numbers if mask_text(f"Phone: {number}")[1] == {"phone": 1}]
    assert len(told) == len(numbers)


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_ids_and_dates_stay(text: str):
    assert len(HARMLESS) > 40
    for written in (text, f"so it is {text} of them", f"[{text}, {text}]"):
        assert mask_text(written) == (written, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no numbers at all",
        "$5 and $10, 12.5 % of 1,234,567",
        "4111 1111 1111 1112",
        "GB82WEST12345698765431",
        "on 2026-10-05 at 12:30, not 05/10/2026 or 5.10.2026",
        "record 00000000001",
        "sha 0123456789abcdef0123456789abcdef01234567",
        "jane at example dot com, @jane",
        "[e-mail] and [phone]",
        "total 987654321098 tokens, 123456789012 bytes, mobile users: 5551234567",
        "10.1038/s41586-020-2649-2, (2020) 2021-2022, CALL-2026-0001-0002",
        "token=${TOKEN}, password=os.environ[x], credentials: AWS_PROFILE",
        "git@github.com:org/repo.git",
    ],
)
def test_it_stays(text: str):
    assert mask_text(text) == (text, {})


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("0123456789 -+.@aZ/()=\u00a0\u0664\n"), max_size=60))
def test_masking_twice_masks_nothing_more_and_numbers_match(text: str):
    masked, counts = mask_text(text)
    marks = sum(masked.count(f"[{name}]") for name in KINDS)
    assert marks == sum(counts.values())
    if not counts:
        assert masked == text


@pytest.mark.parametrize(
    "unit", ["a", "1", "1 ", "a@", "+1", "A1", "0-", "1111-", "a.", "/", "eyJa.", "sk-", "DE89 "]
)
def test_a_megabyte_of_anything_takes_seconds_at_most(unit: str):
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    mask_text(text)
    assert time.process_time() - start < 20
