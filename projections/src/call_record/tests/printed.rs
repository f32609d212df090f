use super::*;
use crate::table::Style;

#[test]
fn a_row_of_csv_has_a_cell_per_column() {
    let record = fold(&history(a_talk())).open(Some(&Glass));
    expect![[r#"da523a44-0d9b-511f-a4c1-3747118583bc,dial/spring.csv/7,'+8613800000017,completed,200,,answered,carrier-b,075523456789,1,"[{""gateway"":""carrier-a"",""sip_status"":503,""started_at"":""2026-09-21T14:13:20.010Z"",""ended_at"":""2026-09-21T14:13:20.110Z""},{""gateway"":""carrier-b"",""sip_status"":200,""started_at"":""2026-09-21T14:13:20.120Z"",""ended_at"":""2026-09-21T14:13:24.010Z""}]",,2026-09-21T14:13:20.000Z,2026-09-21T14:13:20.010Z,2026-09-21T14:13:21.010Z,2026-09-21T14:13:24.010Z,2026-09-21T14:13:29.010Z,3000,4990,callee,"{""name"":""=李雷""}",ended,,17,,1#,PCMU,250,249,1,1.25,20,9eb3.wav"#]].assert_eq(record.to_csv().trim_end());
    assert_eq!(cells(&record.to_csv()).len(), cells(CSV_HEADER).len());
    let open = fold(&history(a_talk()[..1].to_vec())).open(None);
    assert_eq!(cells(&open.to_csv()).len(), cells(CSV_HEADER).len());
}

// OWASP ASVS 5, 1.2.10.
#[test]
fn no_cell_begins_as_a_formula_and_every_one_reads_back() {
    let evil = [
        "=1+1",
        "+8613800000017",
        "-2",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "＋1",
        "－1",
        "＠1",
        "'=1",
        "''",
        "=cmd|' /C calc'!A0",
        "a,b",
        "say \"x\"",
        "line\r\nbreak",
        "plain",
        "\0=1",
        "",
    ];
    for text in evil {
        let mut record = fold(&history(a_talk())).open(Some(&Glass));
        record.gateway = Some(text.into());
        record.phone = Some(text.into());
        let row = record.to_csv();
        let cells = cells(&row);
        assert_eq!(cells.len(), 33, "{text:?}");
        for cell in &cells {
            let formula = ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠"];
            assert!(!formula.iter().any(|start| cell.starts_with(start)), "{cell:?}");
        }
        let back = cells[7].strip_prefix('\'').unwrap_or(&cells[7]);
        assert_eq!((back, cells[2].as_str()), (text, cells[7].as_str()), "{text:?}");
    }
}

/// A reader of one row by RFC 4180, written from the RFC.
fn cells(row: &str) -> Vec<String> {
    let row = row.strip_suffix("\r\n").unwrap();
    let (mut cells, mut quoted, mut chars) = (vec![String::new()], false, row.chars().peekable());
    while let Some(c) = chars.next() {
        let cell = cells.last_mut().unwrap();
        match c {
            '"' if !quoted && cell.is_empty() => quoted = true,
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' if quoted => quoted = false,
            ',' if !quoted => cells.push(String::new()),
            c => cell.push(c),
        }
    }
    cells
}

#[test]
fn rows_fit_their_terminal() {
    let talk = fold(&history(a_talk())).open(Some(&Glass));
    let open = fold(&history(a_talk()[..2].to_vec())).open(None);
    let mut long = talk.clone();
    long.gateway = Some("线路一号线路一号线路一号".into());
    long.phone = Some("a-very-long-name-of-a-sip-user".into());
    long.talk_ms = Some(35_999_000);
    let mut text = String::new();
    for width in [80, 130] {
        let rows = RecordRows::new(Style { width, ..Style::PLAIN });
        let table = rows.header() + &rows.row(&talk) + &rows.row(&open) + &rows.row(&long);
        let fits = |line: &str| unicode_width::UnicodeWidthStr::width(line) <= width;
        assert!(table.lines().all(fits), "{table}");
        text += &table;
    }
    expect![[r#"
        TIME     CALL     PHONE            OUTCOME         SIP   RING    TALK GATEWAY
        14:13:20 da523a44 +8613800000017   completed       200  3.0 s   4.9 s carrier-b
        14:13:20 da523a44 (sealed)         dialing           –      –       – carrier-a
        14:13:20 da523a44 …e-of-a-sip-user completed       200  3.0 s 9:59:59 …线路一号
        TIME     CALL                                 PHONE            OUTCOME         SIP   RING    TALK GATEWAY          REASON
        14:13:20 da523a44-0d9b-511f-a4c1-3747118583bc +8613800000017   completed       200  3.0 s   4.9 s carrier-b        answered
        14:13:20 da523a44-0d9b-511f-a4c1-3747118583bc (sealed)         dialing           –      –       – carrier-a
        14:13:20 da523a44-0d9b-511f-a4c1-3747118583bc …e-of-a-sip-user completed       200  3.0 s 9:59:59 …路一号线路一号  answered
    "#]].assert_eq(&text);
}
