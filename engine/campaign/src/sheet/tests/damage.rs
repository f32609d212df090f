use super::*;
use expect_test::expect;

#[test]
fn every_bad_row_is_reported_and_the_rest_goes_on() {
    check(
        b"phone,name\n+8613800000017,a\n,no number\nLi Lei,letters\n1.38E+10,rounded\n1,38E+10\n13800000018.0,counted\n\
          sip:bob@example.com,uri\n110,police\n+86138,short\n13800000017/13900000018,two\n+8613800000019,a,b,c\n\
          +8613800000020,nul\0here\n+86 138 0000 0017,again\n0086-138-0000-0017,again\n+8613800000021,last\n",
        expect![[r#"
            2 +8613800000017 {"name":"a"}
            3 ! no_number [] no number
            4 ! letters [Li Lei] letters where the number should be; name the column of numbers `phone`
            5 ! scientific_notation [1.38E+10] scientific notation: the spreadsheet rounded it; format the column as text
            6 ! too_short [1] too short for a number
            7 ! decimal_number [13800000018.0] a decimal number: the spreadsheet changed it; format the column as text
            8 ! letters [sip:bob@example.com] letters where the number should be; name the column of numbers `phone`
            9 ! emergency_number [110] no number that can be dialled: emergency numbers are never dialled
            10 ! not_international [+86138] no number that can be dialled: an international number has a country code and 7 to 15 digits in all
            11 ! several_numbers [13800000017/13900000018] no number that can be dialled: it holds two numbers: give each its own row
            12 ! too_many_cells [+8613800000019] more cells than the 2 columns: a comma in a cell needs quotes around it
            13 ! control_character [+8613800000020] a control character in it
            14 ! duplicate [+8613800000017] duplicate of line 2
            15 ! duplicate [+8613800000017] duplicate of line 2
            16 +8613800000021 {"name":"last"}
        "#]],
    );
}

// When can one know? When other rows of the list still have what this one lost.
#[test]
fn a_lost_prefix_is_noticed_beside_rows_that_have_it() {
    check(
        b"008613800000016\n8613800000017\n008613800000018\n1001\n0013800000\n",
        expect![[r#"
        1 +8613800000016 {}
        2 ! lost_prefix [8613800000017] its leading 00 is lost, which line 1 still has; format the column as text
        3 +8613800000018 {}
        4 1001 {}
        5 +13800000 {}
    "#]],
    );
    check(
        b"+8613800000016\n8613800000017\n13800000018\n",
        expect![[r#"
        1 +8613800000016 {}
        2 ! lost_prefix [8613800000017] its leading + is lost, which line 1 still has; format the column as text
        3 13800000018 {}
    "#]],
    );
    check(
        b"075512345678\n13800000017\n75512345679\n",
        expect![[r#"
        1 075512345678 {}
        2 13800000017 {}
        3 ! lost_prefix [75512345679] its leading 0 is lost, which line 1 still has; format the column as text
    "#]],
    );
    check_in(
        Some("CN"),
        b"075512345678\n75512345679\n8613800000017\n",
        expect![[r#"
        1 +8675512345678 {}
        2 +8675512345679 {}
        3 +8613800000017 {}
    "#]],
    );
    check(
        b"13800000017\n13800000018\n",
        expect![[r#"
        1 13800000017 {}
        2 13800000018 {}
    "#]],
    );
}

#[test]
fn a_quote_that_is_not_closed_costs_its_own_row() {
    check(
        b"phone,note\n+8613800000017,\"open\n+8613800000018,a\n+8613800000019,b\n",
        expect![[r#"
            2 ! open_quote [+8613800000017,"open] a quote is opened and not closed
            3 +8613800000018 {"note":"a"}
            4 +8613800000019 {"note":"b"}
        "#]],
    );
    check(
        b"phone,note\n+8613800000017,\"open\n+8613800000018,\"a\"\n+8613800000019,b\n",
        expect![[r#"
            2 ! open_quote [+8613800000017,"open] a quote is opened and not closed
            3 +8613800000018 {"note":"a"}
            4 +8613800000019 {"note":"b"}
        "#]],
    );
    check(
        b"\"+8613800000017\n+8613800000018\n",
        expect![[r#"
        1 ! open_quote ["+8613800000017] a quote is opened and not closed
        2 +8613800000018 {}
    "#]],
    );
    check(
        b"phone,note\n+8613800000017,a \"word\" b\n+8613800000018,\"x\" y\n",
        expect![[r#"
        2 +8613800000017 {"note":"a \"word\" b"}
        3 +8613800000018 {"note":"x y"}
    "#]],
    );
}

#[test]
fn an_open_quote_before_a_thousand_rows_hides_none_of_them() {
    let rows: String = (0..1000).map(|n| format!("+86138{n:08},x\n")).collect();
    let told = told(format!("phone,note\n+8613900000000,\"open\n{rows}").as_bytes(), None);
    assert_eq!(told.lines().filter(|line| line.contains(" +86138")).count(), 1000);
    assert_eq!(told.lines().filter(|line| line.contains("open_quote")).count(), 1);
}

#[test]
fn a_line_of_ten_megabytes_is_one_bad_row() {
    let long = "9".repeat(10_000_000);
    let list = format!("phone,note\n1001,a\n+86139,{long}\n1002,b\n\"{long}\n1003\n{long}");
    expect![[r#"
        2 1001 {"note":"a"}
        3 ! line_too_long [+86139,999999999999999999999999999999999…] a line longer than 64 KB
        4 1002 {"note":"b"}
        5 ! line_too_long ["999999999999999999999999999999999999999…] a line longer than 64 KB
        6 1003 {}
        7 ! line_too_long [9999999999999999999999999999999999999999…] a line longer than 64 KB
    "#]]
    .assert_eq(&told(list.as_bytes(), None));
}

#[test]
fn cells_and_columns_are_bounded() {
    let cell = "x".repeat(CELL_CHARS_MAX + 1);
    let full = "x".repeat(CELL_CHARS_MAX);
    let much = [full.as_str(); 5].join(",");
    let list = format!("phone,a,b,c,d,e\n1001,{cell}\n1002,{much}\n1003,{full}\n");
    let told = told(list.as_bytes(), None);
    let short: String =
        told.lines().map(|line| line.chars().take(60).collect::<String>() + "\n").collect();
    expect![[r#"
        2 ! cell_too_long [1001] a cell longer than 4096 characters
        3 ! too_much_data [1002] its cells hold more than the 16 KB 
        4 1003 {"a":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    "#]]
    .assert_eq(&short);

    let wide = |columns: usize| vec!["v"; columns].join(",");
    check(
        format!("phone,{}\n1001\n", wide(64).replace('v', "name")).as_bytes(),
        expect![[r#"
        2 1001 {}
    "#]],
    );
    check(
        format!("phone,{}\n1001\n", wide(65)).as_bytes(),
        expect![[r#"
            fault: the list has more than 65 columns: leave out some
        "#]],
    );
    check(
        format!("1001,{}\n1002\n", wide(65)).as_bytes(),
        expect![[r#"
        1 ! too_many_cells [1001,v,v,v,v,v,v,v,v,v,v,v,v,v,v,v,v,v,v…] more cells than the 65 columns: a comma in a cell needs quotes around it
        2 1002 {}
    "#]],
    );
    check(
        format!("1001,{}\n1002\n", wide(70_000)).as_bytes(),
        expect![[r#"
        1 ! line_too_long [1001,v,v,v,v,v,v,v,v,v,v,v,v,v,v,v,v,v,v…] a line longer than 64 KB
        2 1002 {}
    "#]],
    );
}

#[test]
fn one_row_in_the_wrong_encoding_spoils_no_other() {
    let latin = [
        "phone,name\n+8613800000017,李雷\n+8613800000018,".as_bytes(),
        b"Jos\xe9",
        "\n+8613800000019,韩梅梅\n".as_bytes(),
    ];
    check(
        &latin.concat(),
        expect![[r#"
        2 +8613800000017 {"name":"李雷"}
        3 ! wrong_encoding [+8613800000018] wrong encoding: no UTF-8, as the rest of the list is; save the list as UTF-8
        4 +8613800000019 {"name":"韩梅梅"}
    "#]],
    );
    check(
        b"phone,name\n+8613800000017,\xff\xfe\xff\n+8613800000018,b\n",
        expect![[r#"
        2 ! wrong_encoding [+8613800000017] wrong encoding: no UTF-8, as the rest of the list is; save the list as UTF-8
        3 +8613800000018 {"name":"b"}
    "#]],
    );
    check(
        b"phone,name\n+8613800000017,cut \xe6\x9d",
        expect![[r#"
        2 ! wrong_encoding [+8613800000017] wrong encoding: no UTF-8, as the rest of the list is; save the list as UTF-8
    "#]],
    );
    let odd = utf16("phone\n+8613800000017\n", u16::to_le_bytes);
    check(
        &[&b"\xff\xfe"[..], &odd, &[0x00]].concat(),
        expect![[r#"
        2 +8613800000017 {}
        3 ! wrong_encoding [�] wrong encoding: no UTF-16LE, as the rest of the list is; save the list as UTF-8
    "#]],
    );
}

#[test]
fn what_is_no_list_is_said_in_a_sentence() {
    check(
        b"",
        expect![[r#"
        fault: the list is empty
    "#]],
    );
    check(
        b"\xef\xbb\xbf\n \n",
        expect![[r#"
        fault: the list is empty
    "#]],
    );
    check(
        b"PK\x03\x04....",
        expect![[r#"
        fault: the list is an Excel workbook, which is not read yet: save it as CSV (UTF-8) and give that
    "#]],
    );
    check(
        b"\xd0\xcf\x11\xe0\xa1\xb1",
        expect![[r#"
        fault: the list is an Excel workbook, which is not read yet: save it as CSV (UTF-8) and give that
    "#]],
    );
    check(
        b"\x1f\x8b\x08",
        expect![[r#"
        fault: the list is gzip-packed, not a text: give a CSV file
    "#]],
    );
    check(
        b"%PDF-1.7",
        expect![[r#"
        fault: the list is a PDF, not a text: give a CSV file
    "#]],
    );
    check(b"phone\n", expect![[r#""#]]);
}

#[test]
fn a_list_beyond_the_bound_is_read_to_the_bound() {
    let options = SheetOptions { rows_max: 2, ..SheetOptions::default() };
    let sheet = Sheet::open(&b"1001\n1002\n1003\n1004\n"[..], options).unwrap();
    let rows: Vec<_> = sheet.map(|row| row.map(|_| ()).map_err(|f| f.to_string())).collect();
    assert_eq!(rows, [Ok(()), Ok(()), Err("the list has more than 2 rows: split it".into())]);
}

#[test]
fn a_disk_that_fails_in_the_middle_is_told_once() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let good = "1001\n".repeat(100_000);
    let sheet = Sheet::open(good.as_bytes().chain(Failing), SheetOptions::default()).unwrap();
    let faults: Vec<_> = sheet.filter_map(Result::err).collect();
    assert!(matches!(&faults[..], [SheetFault::Read(_)]), "{faults:?}");
    assert!(matches!(Sheet::open(Failing, SheetOptions::default()), Err(SheetFault::Read(_))));
}

#[test]
fn no_bytes_make_the_reader_panic_or_lose_count() {
    let pieces: &[&[u8]] = &[
        b"+86138",
        b"0000",
        b"17",
        b",",
        b";",
        b"\t",
        b"\"",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xe6\x9d\x8e",
        b"\xc0\xee",
        b"phone",
        b"sep=;",
        b"e+5",
        b".0",
        b"=",
        b" ",
        b"\xef\xbb\xbf",
        b"'",
        b"1001",
    ];
    let mut state = 3_u64;
    let mut dice = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    for _ in 0..5_000 {
        let list: Vec<u8> =
            (0..dice(40)).flat_map(|_| pieces[dice(pieces.len())]).copied().collect();
        let told = told(&list[..], None);
        let numbers: Vec<u32> =
            told.lines().filter_map(|l| l.split(' ').next()?.parse().ok()).collect();
        assert!(numbers.is_sorted(), "{list:?}");
    }
}
