//! JSON lines.

use std::{
    fs::{self, File},
    io::{Cursor, Write as _},
    time::Instant,
};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use staffroom_node::exchange::{
    Draft, Options, Reason, Refusal,
    json::{fields_from_json, fields_to_json},
    jsonl::{self, JsonLines},
};
use staffroom_protocol::record::{field::Value, kind::Kind};

use super::forms::any_fields;

fn read(input: impl Into<Vec<u8>>) -> Result<Vec<Result<Draft, Refusal>>, Refusal> {
    JsonLines::new("x.jsonl", Cursor::new(input.into()), &Options::default()).map(Iterator::collect)
}

fn one(line: &str) -> Draft {
    read(line).expect("opened").remove(0).expect("read")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("to memory");
    encoder.finish().expect("to memory")
}

#[test]
fn lines_are_read_past_blank_and_bad_ones() {
    let text = "\u{feff}{\"title\": \"A\"}\r\n\n  \nnot json\n[1]\n{\"title\": 7, \"kind\": \"note\"}\n{\"kind\": \"x\", \"title\": \"y\"}\n{}\n{\"title\": \"Z\"}";
    let read = read(text).expect("opened");
    let said: Vec<String> =
        read.iter().map(|line| line.as_ref().map_or_else(ToString::to_string, |d| d.title().to_owned())).collect();
    assert_eq!(
        said,
        [
            "A",
            "x.jsonl, line 4: is not JSON: expected ident, at character 2",
            "x.jsonl, line 5: is a list, not a record: a record is an object such as {\"title\": \"…\"}",
            "7",
            "x.jsonl, line 7: \"x\" is not a kind of record",
            "x.jsonl, line 8: a resource needs a title",
            "Z",
        ]
    );
}

#[test]
fn fields_of_other_shapes_are_coped_with() {
    let draft = one(
        r#"{"kind": "event", "title": "T\nwo", "tags": "a, b", "authors": ["A", 7], "capacity": "30", "start": "24 June 2025 16:00", "place": ["Hall", "Leeds"], "key_stages": "Key Stage 3", "x-y": {"a": [1]}, "host": {"a": 1}, "summary": null}"#,
    );
    let line = |name: &str| draft.fields.get(name).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(draft.title(), "T wo");
    assert_eq!(draft.fields["tags"].members(), ["a", "b"]);
    assert_eq!(draft.fields["authors"].members(), ["A", "7"]);
    assert_eq!(draft.fields["capacity"], Value::Number(30));
    assert_eq!(line("start"), "2025-06-24T16:00:00+01:00[Europe/London]");
    assert_eq!(line("place"), "Hall, Leeds");
    assert_eq!(draft.fields["key_stages"].members(), ["KS3"]);
    assert_eq!(draft.state(), "confirmed");
    let Value::Extra(extra) = &draft.fields["extra"] else { panic!("extra") };
    assert_eq!((extra["x-y"].as_str(), extra["host"].as_str()), (r#"{"a":[1]}"#, r#"{"a":1}"#));
    assert_eq!(draft.warnings, ["host: a group of keys is not a line of text, so host is left open"]);
}

#[test]
fn what_share_prints_is_read_without_its_envelope() {
    let draft = one(
        r#"{"id": "x", "kind": "event", "space": "y", "school": {"id": "z", "name": "S"}, "title": "A", "state": "held", "created": "t", "updated": "t", "heads": ["h"], "body": "Text", "start": "2025-06-24T16:00:00+01:00[Europe/London]"}"#,
    );
    assert_eq!(draft.fields.keys().collect::<Vec<_>>(), ["programme", "start", "state", "title"]);
    let other = one(r#"{"id": "x", "title": "A"}"#);
    assert!(other.fields.contains_key("extra"), "an id of another program is kept");
}

#[test]
fn gzip_of_one_and_of_several_parts_is_read() {
    let mut parts = gzip("{\"title\": \"A\"}\n");
    parts.extend(gzip("{\"title\": \"B\"}\n"));
    assert_eq!(read(parts).expect("opened").iter().filter(|line| line.is_ok()).count(), 2);
}

#[test]
fn gzip_that_breaks_off_is_said_once() {
    let text: Vec<String> = (0..5_000_u64).map(|n| format!("{{\"title\": \"{n} {}\"}}", n * n * 7919)).collect();
    let whole = gzip(&text.join("\n"));
    let read = read(&whole[..whole.len() / 2]).expect("opened");
    assert!(read.len() > 100);
    let bad: Vec<_> = read.iter().filter_map(|line| line.as_ref().err()).collect();
    assert_eq!(bad.len(), 1);
    assert!(matches!(bad[0].why, Reason::BadGzip(_)), "{}", bad[0]);
}

#[test]
fn a_line_too_long_is_skipped() {
    let text = format!("{{\"title\": \"A\"}}\n{{\"title\": \"{}\"}}\n{{\"title\": \"B\"}}\n", "x".repeat(5 << 20));
    let read = read(text).expect("opened");
    assert_eq!(read.len(), 3);
    assert_eq!(read[1].as_ref().expect_err("refused").why, Reason::LineTooLong(jsonl::LINE));
    assert_eq!(read[2].as_ref().expect("read").title(), "B");
}

#[test]
fn other_files_are_one_refusal() {
    let zeros = vec![0; 100_000];
    let latin = b"caf\xe9 au lait\n".repeat(10);
    let table = "title,subject\n".to_owned() + &"A,B\n".repeat(10_000);
    let inputs: Vec<Vec<u8>> = vec![
        b"PK\x03\x04rest".to_vec(),
        b"%PDF-1.7".to_vec(),
        b"\x89PNG\r\n".to_vec(),
        b"\xff\xfe{\0".to_vec(),
        zeros.clone(),
        latin,
        table.into_bytes(),
        b"[{\"title\": \"A\"}]".to_vec(),
        b"{\n  \"title\": \"A\"\n}\n".to_vec(),
        gzip("PK\x03\x04"),
        gzip(&"\0".repeat(100_000)),
    ];
    for input in inputs {
        let refusal = read(input).expect_err("refused");
        assert!(matches!(refusal.why, Reason::NotJsonLines(_)), "{refusal}");
    }
    assert!(matches!(read(b"\x1f\x8bnot really".to_vec()).expect_err("refused").why, Reason::BadGzip(_)));
    // Also where it begins like one.
    let mut begun = b"{\"title\": \"A\"}\n".repeat(6_000);
    begun.extend(zeros);
    let lines = read(begun).expect("opened");
    assert_eq!(lines.len(), 6_001);
    assert!(lines[6_000].is_err());
}

#[test]
fn an_empty_file_has_no_records() {
    assert!(read("").expect("opened").is_empty());
    assert!(read("\n\n").expect("opened").is_empty());
}

#[test]
fn five_gigabytes_of_nothing_are_refused_at_once() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("zeros.jsonl");
    File::create(&path).and_then(|file| file.set_len(5 << 30)).expect("made");
    let began = Instant::now();
    let refusal = jsonl::open(&path, &Options::default()).err().expect("refused");
    assert_eq!(refusal.to_string(), "zeros.jsonl: is not JSON lines: it holds what is not text");
    assert!(began.elapsed().as_secs() < 2);
    assert!(jsonl::open(folder.path(), &Options::default()).is_err(), "a folder is no file");
    fs::remove_file(path).expect("removed");
}

#[test]
fn json_that_bites_is_refused() {
    let deep = format!("{{\"title\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(read(deep).expect("opened")[0].is_err());
    let long = format!("{{\"title\": \"{}\"}}", "x".repeat(301));
    let refusal = read(long).expect("opened").remove(0).expect_err("refused");
    assert_eq!(refusal.to_string(), "x.jsonl, line 1: title is too long: 301 characters, at most 300");
    assert!(!refusal.hints.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(input);
    }

    #[test]
    fn any_lines_are_read_without_panic(text in "(\\{\"(title|tags|start|extra|attachments|state)\": ?(\"\\PC{0,9}\"|[0-9]{1,3}|null|\\[\\]|\\{\\})\\}|\n|\\PC){0,30}") {
        let _ = read(text);
    }

    #[test]
    fn any_fields_are_the_same_after_json((kind, fields) in any_fields()) {
        let kind = Kind::named(kind).expect("a kind");
        let mut record = fields.clone();
        record.insert("kind".to_owned(), Value::Line(kind.name.to_owned()));
        let json = fields_to_json(&record);
        let (back, warnings) = fields_from_json(kind, &json).expect("read");
        prop_assert_eq!(back, fields);
        prop_assert!(warnings.is_empty(), "{:?}", warnings);
    }
}
