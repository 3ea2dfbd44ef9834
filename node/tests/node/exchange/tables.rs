//! Tables in CSV.

use std::io::Cursor;

use proptest::prelude::*;
use staffroom_node::exchange::{Draft, Options, Refusal, csv::Table};
use staffroom_protocol::record::field::Value;

fn read(input: impl Into<Vec<u8>>) -> Result<Vec<Result<Draft, Refusal>>, Refusal> {
    Table::new("plans.csv", Cursor::new(input.into()), &Options::default()).map(Iterator::collect)
}

fn rows(input: impl Into<Vec<u8>>) -> Vec<Draft> {
    read(input).expect("a table").into_iter().map(|row| row.expect("read")).collect()
}

fn said(input: &str) -> Vec<String> {
    let told = |row: &Result<Draft, Refusal>| row.as_ref().map_or_else(ToString::to_string, |d| d.title().to_owned());
    read(input).expect("a table").iter().map(told).collect()
}

const HEAD: &str = "Title;Subject;Key Stage;Author;Body;Room\r\n";

#[test]
fn columns_are_the_keys_of_front_matter() {
    let draft =
        rows(format!("{HEAD}Fractions;Mathematics, Art;2;\"Ahmed; Jones\";\"Line one\r\nsays \"\"two\"\"\";B12\r\n"))
            .remove(0);
    assert_eq!((draft.kind.as_str(), draft.title(), draft.state()), ("resource", "Fractions", "published"));
    assert_eq!(draft.fields["subjects"].members(), ["Mathematics", "Art"]);
    assert_eq!(draft.fields["key_stages"].members(), ["KS2"]);
    assert_eq!(draft.fields["authors"].members(), ["Ahmed", "Jones"]);
    assert_eq!(draft.fields["body"], Value::Text("Line one\nsays \"two\"".to_owned()));
    assert_eq!(draft.fields["extra"], Value::Extra([("Room".to_owned(), "\"B12\"".to_owned())].into()));
    assert_eq!(draft.source(), "plans.csv#Fractions");
}

#[test]
fn what_excel_writes_is_read() {
    let table = "title;summary\r\nCafé;£5 – “now”\r\n";
    let wide =
        |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { format!("\u{feff}{table}").encode_utf16().flat_map(bytes).collect() };
    let old: Vec<u8> = table
        .chars()
        .map(|c| match c {
            '–' => 0x96,
            '“' => 0x93,
            '”' => 0x94,
            c => u8::try_from(u32::from(c)).expect("Latin-1"),
        })
        .collect();
    for bytes in [
        table.as_bytes().to_vec(),
        format!("\u{feff}{table}").into_bytes(),
        format!("sep=;\r\n{table}").into_bytes(),
        table.replace(';', "\t").into_bytes(),
        table.replace(';', ",").into_bytes(),
        table.replace("\r\n", "\r").into_bytes(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
        old,
    ] {
        let draft = rows(bytes.clone()).remove(0);
        assert_eq!(
            (draft.title(), &draft.fields["summary"]),
            ("Café", &Value::Line("£5 – “now”".to_owned())),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_row_that_is_wrong_costs_that_row_only() {
    assert_eq!(
        said("title,kind\nA,resource\nB,resource,x,y\n,resource\nC,\"note\n\n\nD,note\nE,\"no\"te\"\nF,comment\nG,\n"),
        [
            "A",
            "plans.csv, line 3: has 4 cells, and the first line names 2",
            "plans.csv, line 4: a resource needs a title",
            // The mark that opens in line 5 closes in line 9.
            "C",
            "plans.csv, line 10: a comment needs a record that it is about",
            "G",
        ]
    );
    let open = said("title,summary\nA,b\nB,\"never closed\nC,c\nD,d\n");
    assert_eq!(open, ["A", "plans.csv, line 3: has a quotation mark that is opened and not closed", "C", "D"]);
}

#[test]
fn rows_are_known_by_source_id_or_title() {
    let sources = |table: &str| rows(table).iter().map(|draft| draft.source().to_owned()).collect::<Vec<_>>();
    assert_eq!(sources("title,source\nA,https://x.org/1\nB,\n"), ["https://x.org/1", "plans.csv#B"]);
    assert_eq!(sources("ID,title\n7,A\n,B\n"), ["plans.csv#id 7", "plans.csv#B"]);
    assert_eq!(sources("title,tags\nA,x\nA,y\nA,z\n"), ["plans.csv#A", "plans.csv#A #2", "plans.csv#A #3"]);
}

#[test]
fn events_and_notes_are_told_from_their_columns() {
    let event = rows("name,title,date,venue\nx,TeachMeet,24/06/2027 16:00,Hall\n").remove(0);
    assert_eq!((event.kind.as_str(), event.state()), ("event", "confirmed"));
    assert_eq!(event.fields["start"], Value::Line("2027-06-24T16:00:00+01:00[Europe/London]".to_owned()));
    let note = rows("kind,title,finding\nnote,Quizzes,They help\n").remove(0);
    assert_eq!(note.kind, "note");
}

#[test]
fn what_is_no_table_is_refused() {
    let long = format!("title,{}\n", "x,".repeat(300));
    for other in ["", "\n\n", "Dear all,\nhere is the list\n", "7;8;9\n", "PK\u{3}\u{4}", &long] {
        assert!(read(other).is_err(), "{other:?}");
    }
    assert!(read(vec![0; 1_000]).is_err());
    assert!(rows("title\n").is_empty());
}

#[test]
fn hostile_tables_are_bounded() {
    let began = std::time::Instant::now();
    let huge = format!("title,body\nA,\"{}\nB,b\n", "x\n".repeat(100 << 10));
    let read_huge = read(huge).expect("a table");
    assert!(read_huge[0].is_err() && read_huge.last().is_some_and(|row| row.as_ref().is_ok_and(|d| d.title() == "B")));
    let line = format!("title,body\nA,{}\nB,b\n", "x".repeat(8 << 20));
    assert!(matches!(&read(line).expect("a table")[..], [Err(_), Ok(_)]));
    let cells = format!("title,body\nA{}\nB,b\n", ",".repeat(100_000));
    assert!(matches!(&read(cells).expect("a table")[..], [Err(_), Ok(_)]));
    let quotes = format!("title,body\n{}", "\"a\"\"\n".repeat(100_000));
    let _ = read(quotes).expect("a table");
    assert!(began.elapsed().as_secs() < 30, "took {:?}", began.elapsed());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(bytes.clone());
        let _ = read([b"title,summary\n".to_vec(), bytes].concat());
    }

    #[test]
    fn any_table_comes_back_as_it_was_written(
        cells in proptest::collection::vec(("[a-z\",;\t ]{0,6}[a-z]", "([a-z\",; ]|\r\n|\n|é){0,9}[a-z]"), 1..8),
        separator in proptest::sample::select(vec![',', ';', '\t']),
    ) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let rows_written = cells.iter().map(|(title, body)| format!("{}{separator}{}\r\n", quoted(title), quoted(body)));
        let table = format!("title{separator}body\r\n{}", rows_written.collect::<String>());
        let read = rows(table);
        prop_assert_eq!(read.len(), cells.len());
        for (draft, (title, body)) in read.iter().zip(&cells) {
            let spaced = title.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(draft.title(), spaced);
            let body = body.replace("\r\n", "\n");
            prop_assert_eq!(draft.fields["body"].as_str(), Some(body.as_str()));
        }
    }
}
