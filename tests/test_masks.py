"""Masks: what has the form of personal or secret data goes, what only looks a little like it stays."""

import time

import pytest
from hypothesis import given, settings, strategies as st

from bbkit.core.masks import mask_text


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
        ("5551234567, 07700900123 or 01711234567", "[phone], [phone] or [phone]", {"phone": 3}),
        ("+1\u2011555\u2011123\u20114567", "[phone]", {"phone": 1}),
        ("4111\u20091111\u202f1111\u20091111", "[card]", {"card": 1}),
        ("مرحبا +49 30 901820 🙂", "مرحبا [phone] 🙂", {"phone": 1}),
    ],
)  # fmt: skip
def test_it_goes_and_is_counted(text: str, masked: str, counts: dict[str, int]):
    assert mask_text(text) == (masked, counts)


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
    ],
)
def test_it_stays(text: str):
    assert mask_text(text) == (text, {})


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("0123456789 -+.@aZ/()=\u00a0\u0664\n"), max_size=60))
def test_masking_twice_masks_nothing_more_and_numbers_match(text: str):
    masked, counts = mask_text(text)
    marks = sum(
        masked.count(f"[{name}]") for name in ("e-mail", "phone", "card", "IBAN", "account id", "AWS key")
    )
    assert marks == sum(counts.values())
    if not counts:
        assert masked == text


@pytest.mark.parametrize("unit", ["a", "1", "1 ", "a@", "+1", "A1", "0-", "1111-", "a.", "/"])
def test_a_megabyte_of_anything_takes_seconds_at_most(unit: str):
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    mask_text(text)
    assert time.process_time() - start < 20
