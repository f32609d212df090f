use super::{check, check_in, told, utf16};
use encoding_rs::GB18030;
use expect_test::expect;

#[test]
fn a_column_of_numbers_is_a_list() {
    check(
        b"+8613800000017\n1001\r\n+8613800000018",
        expect![[r#"
        1 +8613800000017 {}
        2 1001 {}
        3 +8613800000018 {}
    "#]],
    );
}

#[test]
fn a_header_names_the_variables_and_the_number_wherever_it_stands() {
    check(
        b"name,Phone,city\nLi Lei,+8613800000017,Wuhan\nHan,+8613800000018\n",
        expect![[r#"
        2 +8613800000017 {"city":"Wuhan","name":"Li Lei"}
        3 +8613800000018 {"name":"Han"}
    "#]],
    );
    check(
        b"number,name\n+8613800000017,Li Lei\n",
        expect![[r#"
        2 +8613800000017 {"name":"Li Lei"}
    "#]],
    );
    check(
        b"+8613800000017,Li Lei\n+8613800000018,Han,Wuhan\n",
        expect![[r#"
        1 +8613800000017 {"column_2":"Li Lei"}
        2 +8613800000018 {"column_2":"Han","column_3":"Wuhan"}
    "#]],
    );
    check(
        b"phone,,name,name,\n+8613800000017,a,b,c\n",
        expect![[r#"
        2 +8613800000017 {"column_2":"a","name":"b","name_4":"c"}
    "#]],
    );
}

#[test]
fn comma_semicolon_tab_and_an_announced_one_are_understood() {
    check(
        b"phone;name\n+8613800000017;Lei, Li\n",
        expect![[r#"
        2 +8613800000017 {"name":"Lei, Li"}
    "#]],
    );
    check(
        b"phone\tname\n+8613800000017\tLei, Li; son\n",
        expect![[r#"
        2 +8613800000017 {"name":"Lei, Li; son"}
    "#]],
    );
    check(
        b"sep=|\r\nphone|name\r\n+8613800000017|a,b;c\r\n",
        expect![[r#"
        3 +8613800000017 {"name":"a,b;c"}
    "#]],
    );
    check(
        b"+8613800000017;a\n+8613800000018;b,c,d\n",
        expect![[r#"
        1 +8613800000017 {"column_2":"a"}
        2 +8613800000018 {"column_2":"b,c,d"}
    "#]],
    );
}

#[test]
fn quotes_hold_delimiters_quotes_and_line_breaks() {
    check(
        b"phone,note\n\"+8613800000017\",\"says \"\"hi\"\", twice\"\n+8613800000018,\"two\r\nlines\"\n+8613800000019,x\n",
        expect![[r#"
            2 +8613800000017 {"note":"says \"hi\", twice"}
            3 +8613800000018 {"note":"two\nlines"}
            5 +8613800000019 {"note":"x"}
        "#]],
    );
}

#[test]
fn blank_lines_and_empty_rows_are_no_rows() {
    check(
        b"\n\nphone,name\n\n+8613800000017,a\n,,\n   \n+8613800000018,b\n\n",
        expect![[r#"
        5 +8613800000017 {"name":"a"}
        8 +8613800000018 {"name":"b"}
    "#]],
    );
    check(
        b"+8613800000017\r+8613800000018\r",
        expect![[r#"
        1 +8613800000017 {}
        2 +8613800000018 {}
    "#]],
    );
}

#[test]
fn every_encoding_a_spreadsheet_saves_in_is_read() {
    let list = "phone,姓名\n+8613800000017,李雷\n";
    for bytes in [
        list.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", list.as_bytes()].concat(),
        [&b"\xff\xfe"[..], &utf16(list, u16::to_le_bytes)].concat(),
        [&b"\xfe\xff"[..], &utf16(list, u16::to_be_bytes)].concat(),
        utf16(list, u16::to_le_bytes),
        utf16(list, u16::to_be_bytes),
        GB18030.encode(list).0.into_owned(),
    ] {
        assert_eq!(told(&bytes[..], None), "2 +8613800000017 {\"姓名\":\"李雷\"}\n", "{bytes:x?}");
    }
}

#[test]
fn national_numbers_are_read_where_a_region_is_known() {
    check_in(
        Some("CN"),
        "phone\n13800000017\n'013800000018\n=\"021-12345678\"\n86 138 0000 0019\n＋８６１３８００００００２０\n".as_bytes(),
        expect![[r#"
            2 +8613800000017 {}
            3 +8613800000018 {}
            4 +862112345678 {}
            5 +8613800000019 {}
            6 +8613800000020 {}
        "#]],
    );
}

// The bytes are read in windows of 64 KB: a character or a line's end lies across their edge.
#[test]
fn a_character_across_the_edge_of_a_window_is_whole() {
    for pad in 0..4 {
        let row = |n: usize| format!("1{n:06},李雷\r\n");
        let body: String = (0..4_200).map(row).collect();
        let list = format!("phone,{}\r\n{body}", "n".repeat(pad + 1));
        let wanted: String = (0..4_200)
            .map(|n| format!("{} 1{n:06} {{\"{}\":\"李雷\"}}\n", n + 2, "n".repeat(pad + 1)))
            .collect();
        assert!(told(list.as_bytes(), None) == wanted, "UTF-8 moved by {pad}");
        assert!(told(&GB18030.encode(&list).0[..], None) == wanted, "GB18030 moved by {pad}");
        let wide = [&b"\xff\xfe"[..], &utf16(&list, u16::to_le_bytes)].concat();
        assert!(told(&wide[..], None) == wanted, "UTF-16 moved by {pad}");
    }
}
