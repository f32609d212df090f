#!/usr/bin/env python3
"""Writes the two tables that phone numbers are read with, from Google's libphonenumber metadata.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install phonenumbers
    /tmp/v/bin/python schemas/data/phone_regions.py schemas

`src/phone/regions.tsv` is what the program reads. `golden/phone-spellings.tsv` is what libphonenumber's
Python port (PyPI `phonenumbers`, kept release by release) makes of one number per region and kind, in the
spellings people use: an oracle that is not our code.
"""

import sys
from pathlib import Path

import phonenumbers as p
from phonenumbers import PhoneMetadata, PhoneNumberFormat as F, PhoneNumberType as T

REGIONS = sorted(p.SUPPORTED_REGIONS)
NON_GEO = sorted(p.COUNTRY_CODES_FOR_NON_GEO_REGIONS)


def spans(lengths):
    return ",".join(str(n) for n in lengths if n > 0)


def row(name, meta, main):
    general = meta.general_desc
    short = PhoneMetadata.short_metadata_for_region(name)
    emergency = short.emergency.national_number_pattern if short and short.emergency else None
    # `EMERGENCY_DIGITS_MAX` in plan.rs.
    assert not emergency or max(short.emergency.possible_length) <= 6
    cells = [
        name,
        str(meta.country_code),
        "main" if main else "",
        meta.international_prefix or "",
        meta.national_prefix_for_parsing or "",
        (meta.national_prefix_transform_rule or "").replace("\\", "$"),
        spans(general.possible_length),
        spans(general.possible_length_local_only),
        general.national_number_pattern or "",
        emergency or "",
    ]
    assert not any("\t" in cell for cell in cells)
    return "\t".join(cells)


def regions():
    yield f"# libphonenumber metadata {p.__version__} (Apache-2.0), by schemas/data/phone_regions.py"
    yield "# region\tcountry code\tmain\tinternational prefix\ttrunk prefix\ttransform\tlengths\tlocal lengths\tnumbers\temergency"
    for name in REGIONS:
        meta = PhoneMetadata.metadata_for_region(name)
        main = p.region_code_for_country_code(meta.country_code) == name
        yield row(name, meta, main)
    for code in NON_GEO:
        yield row("001", PhoneMetadata.metadata_for_nongeo_region(code), True)


def spellings(number, region):
    national = p.format_number(number, F.NATIONAL)
    international = p.format_number(number, F.INTERNATIONAL)
    e164 = p.format_number(number, F.E164)
    yield national
    yield international
    yield "00" + e164[1:]
    yield e164[1:]
    yield p.national_significant_number(number)
    yield p.format_out_of_country_calling_number(number, region)


def golden():
    yield f"# what libphonenumber {p.__version__} makes of these, by schemas/data/phone_regions.py"
    yield "# region\tas written\tE.164"
    for name in REGIONS:
        seen = set()
        for kind in (T.MOBILE, T.FIXED_LINE):
            number = p.example_number_for_type(name, kind)
            if number is None:
                continue
            for text in spellings(number, name):
                if text in seen:
                    continue
                seen.add(text)
                try:
                    read = p.parse(text, name)
                except p.NumberParseException:
                    continue
                if p.is_valid_number(read):
                    yield f"{name}\t{text}\t{p.format_number(read, F.E164)}"


def main():
    root = Path(sys.argv[1])
    (root / "src/phone/regions.tsv").write_text("\n".join(regions()) + "\n")
    (root / "golden/phone-spellings.tsv").write_text("\n".join(golden()) + "\n")


main()
