#!/usr/bin/env python3
"""Writes tools/vectors/addresses/: addresses and what other implementations make of them.

Expectations come from email-validator, pyisemail, idna and phonenumbers, never from consentd, so that a mistake
in its rules cannot hide in its own tests. Inputs are made here, but for the example numbers of phonenumbers.

    python3 -m venv V && V/bin/pip install email-validator pyisemail idna phonenumbers
    V/bin/python tools/vectors/addresses.py [OUT]

With published sets at hand, tables of them are written too, to be tested with CONSENTD_ADDRESS_VECTORS=OUT:

    ... OUT --is-email tests.xml --email-validator test_syntax.py --idna-test IdnaTestV2.txt
"""
import argparse
import ast
import pathlib
import random
import re
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version

import email_validator
import idna
import phonenumbers
import pyisemail
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

HERE = pathlib.Path(__file__).resolve().parents[2]
REFUSED = "!"


def escaped(text):
    """Printable ASCII as it is, the rest as \\u{…}, so that no editor changes a table."""
    return "".join(c if " " <= c <= "~" and c != "\\" else "\\u{%X}" % ord(c) for c in text)


def write(folder, name, packages, columns, rows):
    packages = ", ".join(f"{package} {version(package)}" for package in packages)
    lines = [f"# Written by tools/vectors/addresses.py with {packages}.", "# " + "\t".join(columns)]
    lines += ["\t".join(row) for row in dict.fromkeys(tuple(map(escaped, row)) for row in rows)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")
    print(f"{folder / name}: {len(lines) - 2} rows")


# E-mail.

LOCALS = (
    ["a", "jean.dupont", "Jean.DUPONT", "o'neil+salon", "a-b_c", "!#$%&'*+-/=?^_`{|}~", "1", "a.b.c.d", "-", "_"]
    + [".a", "a.", "a..b", ".", "..", "", " ", "a b", "a,b", "a;b", "a:b", "a<b", "a>b", "a(b", "a)b", "a[b", "a]b"]
    + ["a\\b", "a\\@b", "a@b", "a\"b", "(c)a", "a(c)", "a\tb", "a\r\nb", "a\x00b", "a\x7fb", "\x01"]
    + ['"a"', '"a.b"', '"a..b"', '".a"', '"a."', '"a b"', '" "', '""', '"', '"a', 'a"', '"a"b', 'a"b"', '"a"."b"']
    + ['"a@b"', '"a,b"', '"a\\"b"', '"a\\\\b"', '"a\\bc"', '"a\\ b"', '"\\"', '"a""b"', '"A B"', '"a\x01b"']
    + ["a" * 63, "a" * 64, "a" * 65, '"' + "a" * 62 + '"', '"' + "a b" * 20 + '"', '"' + "a b" * 21 + '"']
    + ["é" * 32, "é" * 33, "e\u0301" * 21, "e\u0301" * 32, "e\u0301" * 33]
    + ["josé", "jose\u0301", "JOSÉ", "straße", "STRASSE", "βόλος", "ΒΌΛΟΣ", "İa", "ıa", "иван", "张三", "ａｂ", "\u212aelvin"]
    + ["a\u200bb", "a\u200db", "a\u200fb", "\u202ea", "a\ufeff", "a\u00adb", "a\u00a0b", "a\u3000b", "a\u2028b"]
    + ["\u0301a", "a\ue000b", "a\U000e0001b", "a\uffffb", "क\u094d\u200dष", "😀", "a\u0378b", "a\u034fb", '"é\u0301"', '"e\\\u0301"']
)
DOMAINS = (
    ["example.com", "EXAMPLE.Com", "a.co", "sub.example.co.uk", "1.example.com", "a-b.example.com", "123.com", "x--y.com"]
    + ["example", "localhost", "example.c", "example.c1", "example.1c", "example.123", "127.0.0.1", "[127.0.0.1]", "[IPv6:::1]"]
    + ["", ".", ".com", "example.", "example.com.", "example..com", ".example.com", "-a.com", "a-.com", "a.-com", "a.com-"]
    + ["ab--cd.com", "xn--a.com", "xn--.com", "xn--ecole-9oa.fr", "a_b.com", "a b.com", " a.com", "a!b.com", "a,b.com", "(c)a.com"]
    + ["a" * 63 + ".com", "a" * 64 + ".com", ".".join(["abcdefghi"] * 24) + ".com", ".".join(["abcdefghi"] * 25) + ".com"]
    + ["école.fr", "e\u0301cole.fr", "ÉCOLE.fr", "xn--cole-9oa.fr", "XN--COLE-9OA.FR", "Xn--cole-9oa.école.fr"]
    + ["straße.de", "strasse.de", "STRAẞE.de", "xn--strae-oqa.de", "βόλος.gr", "ΒΌΛΟΣ.gr", "βόλοσ.gr", "İstanbul.com", "ıstanbul.com"]
    + ["例え.日本", "例え。日本", "ｅｘａｍｐｌｅ．ｃｏｍ", "exa\u00admple.com", "exa\u200bmple.com", "exa\u200fmple.com", "exa\u2060mple.com"]
    + ["קום.ישראל", "عربي.شبكة", "3com.ישראל", "0à.א", "क\u094d\u200dष.com", "a\u200db.com", "a\u200cb.com", "☃.net", "😀.ws", "a≠b.com"]
    + ["exam\x00ple.com", "exam\tple.com", "é" * 50 + ".com", "é" * 60 + ".com", "xn--zca.de", "xn--ls8h.la", "a．．b.com", "〱.com"]
)


def email_expected(text):
    try:
        found = email_validator.validate_email(
            text.strip(" \t\r\n\v\f"),
            check_deliverability=False, allow_quoted_local=True, test_environment=True)
    except email_validator.EmailNotValidError:
        return REFUSED
    local = "".join(c.lower() if c.isascii() else c for c in found.local_part)
    return f"{local}@{found.ascii_domain.lower()}"


def is_email_says(text):
    """Whether is_email would send to it: valid, or with what RFC 5321 allows; - where it cannot tell."""
    if not text.isascii():
        return "-"
    kind = pyisemail.is_email(text, diagnose=True).diagnosis_type
    return "yes" if kind in ("VALID", "RFC5321") else "no"


def email_row(text):
    return (text, email_expected(text), is_email_says(text))


def email_inputs():
    yield from (f"{local}@example.com" for local in LOCALS)
    yield from (f"a@{domain}" for domain in DOMAINS)
    yield from ["", " ", "a", "@", "@@", "a@b@c.com", "  a@b.com", "a@b.com \r\n", "<a@b.com>", "A <a@b.com>", "a@b.com,c@d.com"]
    yield from ["a＠b.com", "mailto:a@b.com", "a@b.com?subject=x", "\u200fa@b.com", "a @b.com", "a@ b.com"]
    longest = "a" * 64 + "@" + "b" * 63 + "." + "c" * 63 + "." + "d" * 61
    yield from [longest, longest + "d"]
    chance = random.Random(1)
    for _ in range(250):
        local = "".join(chance.choice("abAB01.-+_\"\\ @(é") for _ in range(chance.randint(1, 6)))
        domain = "".join(chance.choice("abAB01.--é") for _ in range(chance.randint(1, 6)))
        yield f"{local}@{domain}.com"


# Domains.

SCRIPTS = {
    "Latin": (0xDF, 0x17E), "Greek": (0x391, 0x3C9), "Cyrillic": (0x410, 0x45F), "Armenian": (0x531, 0x586),
    "Hebrew": (0x5D0, 0x5EA), "Arabic": (0x620, 0x64A), "Devanagari": (0x904, 0x939), "Thai": (0xE01, 0xE30),
    "Georgian": (0x10A0, 0x10F0), "Cherokee": (0x13A0, 0x13EF), "Khmer": (0x1780, 0x17A2), "Vietnamese": (0x1EA0, 0x1EF9),
    "Polytonic": (0x1F00, 0x1FFC), "Kana": (0x3041, 0x30FA), "Han": (0x4E00, 0x9FA5), "Hangul": (0xAC00, 0xD7A3),
    "Full width": (0xFF10, 0xFF5A), "Deseret": (0x10400, 0x1044F), "Mathematical": (0x1D400, 0x1D7CB),
    "Combining": (0x300, 0x36F), "Digits": (0x660, 0x669), "Compatibility": (0x2100, 0x2138), "Format": (0x2000, 0x206F),
}


def domain_expected(text):
    try:
        return idna.encode(text, uts46=True, transitional=False, std3_rules=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        return REFUSED


def domain_inputs():
    chance = random.Random(2)
    for low, high in SCRIPTS.values():
        for _ in range(24):
            label = "".join(chr(chance.randint(low, high)) for _ in range(chance.randint(1, 5)))
            if chance.random() < 0.3:
                label = chance.choice("abZ9") + label
            if chance.random() < 0.2:
                label += chance.choice("x7-\u0301")
            yield label + chance.choice([".com", ".fr", "\u3002com", ".РФ", "．com"])


# Phone numbers.

KINDS = ("FIXED_LINE", "MOBILE", "TOLL_FREE", "PREMIUM_RATE", "SHARED_COST", "PERSONAL_NUMBER", "VOIP", "PAGER", "UAN")
OVERSEAS = ("RE", "GP", "GF", "MQ", "PM", "YT")


def e164(number):
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def parsed(text):
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return REFUSED
    return e164(number) if phonenumbers.is_possible_number(number) else REFUSED


def phone_rows():
    """The example numbers of every region and global service; for persons also with the national prefix put in."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        prefix = PhoneMetadata.metadata_for_region(region).national_prefix or "0"
        for kind in KINDS:
            number = phonenumbers.example_number_for_type(region, getattr(PhoneNumberType, kind))
            if number is None:
                continue
            code, digits = number.country_code, phonenumbers.national_significant_number(number)
            wrong = f"+{code} {prefix}{digits}"
            yield (
                region, kind, e164(number), phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL),
                phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL), wrong, parsed(wrong))
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        number = phonenumbers.example_number_for_non_geo_entity(code)
        written = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
        yield ("001", "GLOBAL", e164(number), written, phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL), "", "")


def national_rows():
    """Numbers as they are dialled within a region, and whose they are: own, overseas or unallocated."""
    chance = random.Random(3)
    for region, code, lengths in (("FR", 33, (9,)), ("BE", 32, (8, 9)), ("CH", 41, (9,))):
        # Four times over, of which what is plain is kept once in ten of the first round.
        for turn, start in ((turn, start) for turn in range(4) for start in range(1000, 10000)):
            length = chance.choice(lengths)
            digits = f"{start:04}" + "".join(chance.choice("0123456789") for _ in range(length - 4))
            owner = owner_of(region, code, digits)
            plain = 0.1 if region == "FR" else 0.015
            if owner == "overseas" and turn * 3 <= chance.randrange(10) or turn == 0 and chance.random() < plain:
                yield (region, "0" + digits, owner, f"+{code}{digits}")


def owner_of(region, code, digits):
    # Numbers from 8 on are services, the same in France and overseas.
    if region == "FR" and digits[0] != "8":
        for other in OVERSEAS:
            there = PhoneMetadata.metadata_for_region(other).country_code
            abroad = phonenumbers.PhoneNumber(country_code=there, national_number=int(digits))
            if phonenumbers.is_valid_number_for_region(abroad, other):
                return "overseas"
    number = phonenumbers.PhoneNumber(country_code=code, national_number=int(digits))
    return "own" if phonenumbers.is_valid_number_for_region(number, region) else "unallocated"


# Published sets.

def published_is_email(path):
    for test in ElementTree.parse(path).getroot().iter("test"):
        text = test.findtext("address") or ""
        yield email_row("".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) <= 0x241F else c for c in text))


def published_email_validator(path):
    """Every text of the test file that holds an at sign, good and bad ones alike."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "@" in node.value:
            yield email_row(node.value)


def published_idna(path):
    def unescaped(text):
        return re.sub(r"\\u([0-9A-Fa-f]{4})|\\x\{([0-9A-Fa-f]+)\}", lambda m: chr(int(m[1] or m[2], 16)), text)

    for line in path.read_text().splitlines():
        columns = [column.strip() for column in line.split("#")[0].split(";")]
        if len(columns) < 5 or re.search(r"\\uD[89A-F]", columns[0]):
            continue
        source, status = unescaped(columns[0]), columns[4] or columns[2]
        ascii_form = unescaped(columns[3] or columns[1] or columns[0])
        # A mail domain has two labels at least and no dot at its end.
        if "." not in ascii_form.rstrip(".") or ascii_form.endswith("."):
            continue
        yield (source, ascii_form if status in ("", "[]") else REFUSED)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", type=pathlib.Path, default=HERE / "tools/vectors/addresses")
    parser.add_argument("--is-email", type=pathlib.Path)
    parser.add_argument("--email-validator", type=pathlib.Path)
    parser.add_argument("--idna-test", type=pathlib.Path)
    given = parser.parse_args()
    out, mail = given.out, ["email-validator", "idna", "pyisemail"]
    columns = ["input", "normalised by email-validator, or !", "is_email: yes, no, -"]
    if given.is_email:
        write(out, "is-email.tsv", mail, columns, published_is_email(given.is_email))
    if given.email_validator:
        write(out, "email-validator.tsv", mail, columns, published_email_validator(given.email_validator))
    if given.idna_test:
        write(out, "idna-test.tsv", ["idna"], ["domain", "A-labels, or !"], published_idna(given.idna_test))
    if given.is_email or given.email_validator or given.idna_test:
        return
    write(out, "emails.tsv", mail, columns, map(email_row, email_inputs()))
    write(out, "domains.tsv", ["idna"], ["domain", "A-labels, or !"], ((d, domain_expected(d)) for d in domain_inputs()))
    write(
        out, "phones.tsv", ["phonenumbers"],
        ["region", "kind", "E.164", "international", "national", "with national prefix", "which is read as, or !"],
        phone_rows())
    write(out, "national-phones.tsv", ["phonenumbers"], ["region", "input", "owner", "E.164"], national_rows())


if __name__ == "__main__":
    main()
