use super::*;

fn numbering(region: &str) -> Numbering {
    match region {
        "" => Numbering::INTERNATIONAL,
        region => Numbering::of_region(region).unwrap(),
    }
}

/// What each text is read as in a region, `""` for none: a number, or the code of the refusal.
fn check(region: &str, rows: &[(&str, &str)]) {
    for (text, wanted) in rows {
        let read = numbering(region).read(text);
        let seen = read.as_ref().map_or_else(|refusal| refusal.code(), Phone::as_str);
        assert_eq!(seen, *wanted, "{text:?} in {region:?}");
        if let Ok(phone) = &read {
            assert_eq!(numbering(region).read(phone.as_str()).as_ref(), Ok(phone), "read again");
        }
    }
}

#[test]
fn an_international_number_has_one_form_in_every_spelling() {
    for region in ["", "CN", "US", "DE"] {
        let one = "+8613800000017";
        check(
            region,
            &[
                ("+8613800000017", one),
                (" +86 138-0000-0017\r\n", one),
                ("0086 138 0000 0017", one),
                ("+0086 138 0000 0017", one),
                ("++8613800000017", one),
                ("+86 (0) 138 0000 0017", one),
                ("(+86)138.0000.0017", one),
                ("＋８６ １３８－００００－００１７", one),
                ("\u{202a}+86\u{a0}138\u{2011}0000\u{2013}0017\u{202c}", one),
                ("\u{feff}+٨٦١٣٨٠٠٠٠٠٠١٧", one),
                ("'+8613800000017", one),
                ("=\"+8613800000017\"", one),
                ("tel:+86-138-0000-0017", one),
                ("+8️⃣6️⃣13800000017", one),
            ],
        );
    }
}

#[test]
fn a_national_number_is_read_by_its_region_alone() {
    let shanghai = "+862112345678";
    check("CN", &[("13800000017", "+8613800000017"), ("8613800000017", "+8613800000017")]);
    check(
        "CN",
        &[("021-1234 5678", shanghai), ("(021)12345678", shanghai), ("+86 021 12345678", shanghai)],
    );
    check("US", &[("(201) 555-0123", "+12015550123"), ("1-201-555-0123", "+12015550123")]);
    check("US", &[("011 86 138 0000 0017", "+8613800000017")]);
    check("JM", &[("1 658 555 0123", "+16585550123"), ("202 555 0123", "+12025550123")]);
    check("IT", &[("02 1234 5678", "+390212345678"), ("+39 02 1234 5678", "+390212345678")]);
    check("AR", &[("011 15-2345-6789", "+5491123456789")]);
    check("", &[("13800000017", "13800000017"), ("021-1234 5678", "02112345678")]);
}

#[test]
fn what_is_no_number_of_the_region_stays_a_dial_string() {
    check("CN", &[("1001", "1001"), ("10 01", "1001"), ("*72#13800000017", "*72#13800000017")]);
    check("CN", &[("alice", "alice"), ("alice.smith-2", "alice.smith-2"), ("９00a", "900a")]);
    check("", &[("*97", "*97"), ("9901#8613800000017", "9901#8613800000017")]);
    check("", &[("+9991234567", "+9991234567")]);
}

#[test]
fn what_nobody_can_dial_is_refused_with_the_reason() {
    check(
        "CN",
        &[
            ("", "no_number"),
            (" - ", "no_number"),
            ("\u{200b}", "no_number"),
            ("*#", "no_number"),
            ("+86138\r\nEvil: 1", "control_character"),
            ("138\0", "control_character"),
            ("sip:bob@example.com", "not_a_number"),
            ("Bob Smith", "not_a_number"),
            ("张三", "not_a_number"),
            ("1380000,0017", "not_a_number"),
            ("1+380000", "not_a_number"),
            ("<script>", "not_a_number"),
            ("+1234567890123456", "not_international"),
            ("+86", "not_international"),
            ("+0123456789", "not_international"),
            ("13800000017/13900000018", "several_numbers"),
        ],
    );
    check("", &[("030/1234567", "0301234567")]);
    check("", &[(&"1".repeat(64), &"1".repeat(64)), (&"1".repeat(65), "too_long")]);
    check("", &[(&"a".repeat(65), "too_long"), (&" ".repeat(2000), "too_long")]);
}

#[test]
fn emergency_numbers_are_refused_in_every_spelling() {
    let refused: &[&str] = &[
        "110",
        "119",
        "120",
        "122",
        "911",
        "112",
        "999",
        "000",
        "１１０",
        "1-1-0",
        " 9 1 1 ",
        "(911)",
        "\u{202e}911",
        "tel:112",
        "'119",
        "=\"110\"",
        "+86110",
        "0086 110",
        "+86 0110",
        "+1 911",
        "001911",
        "+44999",
        "+49 112",
        "+61000",
        "+8610110",
        "+86 755 119",
        "010-110",
        "0755 120",
        "9911",
        "0112",
        "#31#112",
        "*31#911",
        "*67911",
        "110#",
        "9-110",
        "+110",
        "00110",
        "9.1.1",
        "+911",
    ];
    for region in ["", "CN", "US", "AU", "DE"] {
        for text in refused {
            let china_only = ["010-110", "0755 120"].contains(text);
            if !china_only || ["", "CN"].contains(&region) {
                check(region, &[(text, "emergency_number")]);
            }
        }
    }
    check("CN", &[("86110", "emergency_number")]);
    check("US", &[("1911", "emergency_number")]);
    // France's ambulance, fire brigade and police; nobody else's.
    check(
        "FR",
        &[("15", "emergency_number"), ("18", "emergency_number"), ("+33 17", "emergency_number")],
    );
    check("CN", &[("115", "115")]);
    check("", &[("115", "emergency_number")]);
}

#[test]
fn a_number_that_only_looks_like_one_is_dialled() {
    check("CN", &[("13800000110", "+8613800000110"), ("95588", "95588"), ("1199", "1199")]);
    check("US", &[("+1 911 555 0123", "+19115550123")]);
    check(
        "",
        &[("9110", "emergency_number"), ("19110", "19110"), ("1120", "1120"), ("9001", "9001")],
    );
    check("", &[("user-911x", "user-911x"), ("1000", "1000")]);
}

#[test]
fn a_shown_number_may_be_an_emergency_number() {
    let shown = |text| Numbering::INTERNATIONAL.read_shown(text).map(String::from);
    assert_eq!(shown("110"), Ok("110".into()));
    assert_eq!(shown("0086 10 1234 5678"), Ok("+861012345678".into()));
    assert_eq!(shown("+86110"), Err(PhoneRefusal::NotInternational));
    assert_eq!(shown("a\r\nb"), Err(PhoneRefusal::Control));
}

#[test]
fn a_region_that_nobody_has_is_refused() {
    assert!(Numbering::of_region("cn").is_ok());
    for region in ["", "XX", "001", "China"] {
        assert_eq!(Numbering::of_region(region).unwrap_err(), UnknownRegion(region.into()));
    }
}

// The oracle is libphonenumber's own port in another language; see data/phone_regions.py.
#[test]
fn spellings_are_read_as_libphonenumber_reads_them() {
    let golden = include_str!("../../golden/phone-spellings.tsv");
    let mut other = Vec::new();
    for row in golden.lines().filter(|row| !row.starts_with('#')) {
        let cells: Vec<&str> = row.split('\t').collect();
        let seen = numbering(cells[0]).read(cells[1]).map(String::from);
        if seen.as_deref() != Ok(cells[2]) {
            other.push(format!("{row}\t{seen:?}"));
        }
    }
    assert!(other.is_empty(), "{} of them are not:\n{}", other.len(), other.join("\n"));
}

#[test]
fn every_pattern_of_the_plans_compiles() {
    assert_eq!(Plan::all().len(), 254);
    assert!(Plan::all().iter().all(Plan::patterns_compile));
}

/// A small generator of pseudo-random numbers (Knuth's MMIX constants): the same walk every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

#[test]
fn ten_thousand_spellings_of_a_number_are_one_callee() {
    let separators = [" ", "-", ".", "\u{a0}", "\u{200f}", "\u{2060}", "\u{3000}", "–", ")", "("];
    let mut dice = Dice(7);
    for _ in 0..10_000 {
        let number = format!("138{:08}", dice.below(100_000_000));
        let wanted = format!("+86{number}");
        let prefix = ["+86", "0086", "＋８６", "+86(0)", "+0086", "", "0", "86"][dice.below(8)];
        let mut text = String::from(prefix);
        for digit in number.bytes() {
            for _ in 0..dice.below(3) {
                text.push_str(separators[dice.below(separators.len())]);
            }
            let zero = [0x30, 0xff10, 0x660, 0x966][dice.below(4)];
            text.push(char::from_u32(zero + u32::from(digit - b'0')).unwrap());
        }
        check("CN", &[(&text, &wanted)]);
    }
}

#[test]
fn no_text_makes_the_reader_panic_or_lets_a_strange_character_through() {
    let mut dice = Dice(11);
    let odd: Vec<char> =
        "+0123456789*#()-./ '\"=;,@:aZ\r\n\0\u{202e}８1١é𝟎張\u{e0031}tel".chars().collect();
    for _ in 0..50_000 {
        let length = dice.below(24);
        let text: String = (0..length).map(|_| odd[dice.below(odd.len())]).collect();
        for region in ["", "AR", "BR", "JP"] {
            if let Ok(phone) = numbering(region).read(&text) {
                let plain = |c: char| c.is_ascii_alphanumeric() || "+*#._-".contains(c);
                assert!(phone.as_str().chars().all(plain), "{text:?}");
                assert_eq!(numbering(region).read(phone.as_str()).as_ref(), Ok(&phone), "{text:?}");
            }
        }
    }
}
