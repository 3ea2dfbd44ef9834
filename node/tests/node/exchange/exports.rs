//! Exports, and reading them again.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Cursor, Read},
    path::Path,
};

use jiff::civil::date;
use proptest::prelude::*;
use staffroom_node::exchange::{
    Options,
    export::{About, Exporter, Failed, Format, MARK, page::Exported},
    import::{Found, Import, Next, References},
};
use staffroom_protocol::{
    id::RecordId,
    record::{
        field::{BlobRef, Fields, Value},
        kind::Kind,
        references::{self, Reference},
    },
};
use tempfile::TempDir;

use super::forms::any_fields;

fn id(number: u32) -> RecordId {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    RecordId::from(bytes)
}

pub(super) fn exported(number: u32, kind: &str, mut fields: Fields) -> Exported {
    fields.insert("kind".to_owned(), Value::Line(kind.to_owned()));
    Exported {
        id: id(number),
        kind: kind.to_owned(),
        fields,
        school: ("Hillside: \"Primary\"".to_owned(), "s6tpqk".to_owned()),
        space: ("The Brook Cluster".to_owned(), "abc".to_owned()),
        created: 1_700_000_000_000,
        updated: 1_700_000_000_001,
        open: number.is_multiple_of(2),
    }
}

fn about() -> About {
    About { school: "Hillside Primary".to_owned(), made: "2026-11-22".to_owned() }
}

fn nothing(_: &BlobRef) -> Result<Box<dyn Read>, String> {
    Err("not held here".to_owned())
}

pub(super) fn write(to: &Path, format: Format, records: &[Exported]) {
    let mut open = nothing;
    let mut exporter = Exporter::new(to, format, about(), &mut open).expect("begun");
    for record in records {
        exporter.record(record).expect("written");
    }
    assert_eq!(exporter.finish().expect("finished"), u64::try_from(records.len()).expect("few"));
}

pub(super) fn read(from: &Path) -> BTreeMap<RecordId, Found> {
    let place = tempfile::tempdir().expect("a folder");
    let import = Import::open(from, &Options::default(), date(2026, 11, 22), place.path(), |_, _| {}).expect("opened");
    let records = import.records(None).expect("read");
    records.map(|found| found.expect("a record")).map(|found| (found.origin.expect("exported").id, found)).collect()
}

/// The fields of a record as they are compared: ordered references by order and line.
fn compared(kind: &str, fields: &Fields) -> Vec<(String, String)> {
    let collection = kind == "collection";
    let mut all = Vec::new();
    for (name, value) in
        fields.iter().filter(|(name, value)| *name != "kind" && *name != "attachments" && !value.is_empty())
    {
        let shown = match value {
            Value::Extra(map) if collection && name == "records" => format!("{:?}", references::read(map)),
            other => format!("{other:?}"),
        };
        all.push((name.clone(), shown));
    }
    all
}

pub(super) fn check_same(records: &[Exported], read: &BTreeMap<RecordId, Found>) {
    assert_eq!(records.len(), read.len());
    for record in records {
        let found = &read[&record.id];
        assert_eq!(found.draft.kind, record.kind);
        assert_eq!(compared(&record.kind, &found.draft.fields), compared(&record.kind, &record.fields));
        assert_eq!(found.origin.expect("exported").open, Some(record.open));
    }
}

fn text(name: &str, text: &str) -> (String, Value) {
    (name.to_owned(), Value::Text(text.to_owned()))
}

fn line(name: &str, line: &str) -> (String, Value) {
    (name.to_owned(), Value::Line(line.to_owned()))
}

#[test]
fn bodies_come_back_byte_for_byte() {
    let bodies = [
        "one line, no end",
        "ends\n",
        "ends twice\n\n",
        "\nbegins empty",
        "\r\nbegins with Windows",
        "a\r\nb\r\n",
        "a\rb",
        "---\ntitle: Not this\n---\n\nlike front matter\n",
        "a\n---\nb\n...\n",
        "---",
        "\u{feff}a mark",
        "a zero \0 byte",
        " \n \n",
        "\t",
    ];
    let records: Vec<Exported> = (0..)
        .zip(bodies)
        .map(|(number, body)| exported(number, "resource", Fields::from([line("title", "A"), text("body", body)])))
        .collect();
    for format in [Format::Markdown, Format::JsonLines] {
        let folder = TempDir::new().expect("a folder");
        for name in ["export", "export.zip"] {
            write(&folder.path().join(name), format, &records);
            check_same(&records, &read(&folder.path().join(name)));
        }
    }
}

#[test]
fn a_page_can_be_read_without_the_program() {
    let fields = Fields::from([
        line("title", "Fractions: a number line"),
        line("licence", "CC-BY-4.0"),
        line("source", "maths/fractions.md"),
        ("tags".to_owned(), Value::set(["starter", "a, b"])),
        (
            "extra".to_owned(),
            Value::Extra(
                [("Room".to_owned(), "\"B12\"".to_owned()), ("n".to_owned(), "[1,{\"a\":null}]".to_owned())].into(),
            ),
        ),
        text("body", "# Fractions\n"),
    ]);
    let folder = TempDir::new().expect("a folder");
    let to = folder.path().join("export");
    let record = exported(2, "resource", fields);
    write(&to, Format::Markdown, std::slice::from_ref(&record));
    let short = &record.id.to_string()[..6];
    let page = fs::read_to_string(to.join(format!("resource/fractions-a-number-line-{short}.md"))).expect("a page");
    let id = record.id.to_string();
    assert_eq!(
        page,
        format!(
            "---\nkind: resource\ntitle: \"Fractions: a number line\"\nlicence: CC-BY-4.0\ntags:\n  - starter\n  - \"a, b\"\n\
             source: maths/fractions.md\nextra:\n  Room: B12\n  n: [1, {{ \"a\": null }}]\n\
             staffroom: {{ \"created\": \"2023-11-14T22:13:20Z\", \"editable_by\": cluster, \"id\": {id}, \
             \"school\": \"Hillside: \\\"Primary\\\"\", \"school_id\": s6tpqk, \"space\": The Brook Cluster, \"space_id\": abc, \
             \"updated\": \"2023-11-14T22:13:20.001Z\", \"version\": 1 }}\n---\n\n# Fractions\n"
        ).replace("CC-BY-4.0\"", "CC-BY-4.0\"").replace("licence: \"CC-BY-4.0\"", "licence: CC-BY-4.0")
    );
    let index = fs::read_to_string(to.join("index.md")).expect("an index");
    assert!(index.contains("| [Resource](resource/index.md) | 1 |"), "{index}");
    let list = fs::read_to_string(to.join("resource/index.md")).expect("a list");
    assert!(list.contains(&format!("[Fractions: a number line](fractions-a-number-line-{short}.md)")), "{list}");
}

#[test]
fn attachments_lie_beside_and_come_back() {
    let blob = |name: &str, bytes: u64| BlobRef {
        id: [9; 32].into(),
        name: name.to_owned(),
        bytes,
        media_type: "image/png".to_owned(),
    };
    let blobs = vec![
        blob("line.png", 4),
        blob("../line.png", 4),
        blob("line.png", 4),
        blob("gone.png", 4),
        blob("short.png", 5),
    ];
    let fields = Fields::from([line("title", "A"), ("attachments".to_owned(), Value::Blobs(blobs))]);
    let folder = TempDir::new().expect("a folder");
    for (format, name) in
        [(Format::Markdown, "a"), (Format::JsonLines, "b"), (Format::Markdown, "c.zip"), (Format::JsonLines, "d.zip")]
    {
        let to = folder.path().join(name);
        let mut open = |blob: &BlobRef| -> Result<Box<dyn Read>, String> {
            if blob.name == "gone.png" {
                Err("not held here".to_owned())
            } else {
                Ok(Box::new(Cursor::new(b"\x89PNG".to_vec())))
            }
        };
        let mut exporter = Exporter::new(&to, format, about(), &mut open).expect("begun");
        let written = exporter.record(&exported(1, "resource", fields.clone())).expect("written");
        assert_eq!(
            written.warnings,
            [
                "gone.png is not exported: not held here",
                "short.png is not exported: it has 4 bytes, and 5 were to be there"
            ]
        );
        exporter.finish().expect("finished");
        let place = tempfile::tempdir().expect("a folder");
        let import =
            Import::open(&to, &Options::default(), date(2026, 11, 22), place.path(), |_, _| {}).expect("opened");
        let found: Vec<_> = import.records(None).expect("read").map(|found| found.expect("a record")).collect();
        let attachments = &found[0].draft.attachments;
        let names: Vec<_> =
            attachments.iter().map(|one| (one.name.as_str(), one.bytes, one.media_type.as_str())).collect();
        assert_eq!(
            names,
            [("line.png", 4, "image/png"), ("../line.png", 4, "image/png"), ("line.png", 4, "image/png")]
        );
        assert!(attachments.iter().all(|one| fs::read(&one.path).expect("there") == b"\x89PNG"));
        assert_eq!(found[0].draft.warnings.len(), 2, "{:?}", found[0].draft.warnings);
    }
}

#[test]
fn a_page_that_was_tampered_with_reaches_no_other_file() {
    let folder = TempDir::new().expect("a folder");
    let to = folder.path().join("export");
    write(&to, Format::Markdown, &[exported(1, "resource", Fields::from([line("title", "A")]))]);
    fs::write(folder.path().join("secret"), "secret").expect("written");
    fs::create_dir(to.join("files")).expect("made");
    std::os::unix::fs::symlink(folder.path().join("secret"), to.join("files/link")).expect("linked");
    let page = fs::read_dir(to.join("resource"))
        .expect("there")
        .map(|e| e.expect("there").path())
        .find(|p| !p.ends_with("index.md"))
        .expect("a page");
    let text = fs::read_to_string(&page).expect("read");
    for file in
        ["../../secret", "/etc/passwd", "../files/../../secret", "../files/link", "files/../../secret", "../files/"]
    {
        let attachments = format!("attachments:\n  - {{ \"name\": a, \"file\": \"{file}\" }}\nstaffroom:");
        fs::write(&page, text.replace("staffroom:", &attachments)).expect("written");
        let found = read(&to).remove(&id(1)).expect("read");
        assert_eq!((found.draft.attachments.len(), found.draft.warnings.len()), (0, 1), "{file}");
    }
}

/// A file that cannot be read.
struct Fails;

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk"))
    }
}

#[test]
fn nothing_is_written_over_and_what_breaks_off_is_no_export() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("mine.md"), "mine").expect("written");
    fs::write(folder.path().join("old.zip"), "old").expect("written");
    let mut open = nothing;
    for to in [folder.path().to_owned(), folder.path().join("old.zip")] {
        assert!(matches!(Exporter::new(&to, Format::Markdown, about(), &mut open), Err(Failed::NotEmpty)));
    }
    assert_eq!(fs::read_to_string(folder.path().join("old.zip")).expect("there"), "old");
    let record = exported(1, "resource", Fields::from([line("title", "A")]));
    let (half, half_zip) = (folder.path().join("half"), folder.path().join("half.zip"));
    for to in [&half, &half_zip] {
        let mut exporter = Exporter::new(to, Format::Markdown, about(), &mut open).expect("begun");
        exporter.record(&record).expect("written");
    }
    assert!(!half_zip.exists() && !folder.path().join("half.zip.part").exists());
    assert!(half.is_dir() && !half.join(MARK).exists());
    let refused = Import::open(&half, &Options::default(), date(2026, 11, 22), folder.path(), |_, _| {});
    assert!(refused.expect_err("refused").to_string().contains("no finished export"));
    // A disk that fails while an attachment is read costs the attachment, not the export.
    let mut fails = |_: &BlobRef| -> Result<Box<dyn Read>, String> { Ok(Box::new(Fails)) };
    let blob = BlobRef { id: [9; 32].into(), name: "a.png".to_owned(), bytes: 4, media_type: String::new() };
    let fields = Fields::from([line("title", "A"), ("attachments".to_owned(), Value::Blobs(vec![blob]))]);
    for name in ["failing", "failing.zip"] {
        let to = folder.path().join(name);
        let mut exporter = Exporter::new(&to, Format::Markdown, about(), &mut fails).expect("begun");
        let written = exporter.record(&exported(1, "resource", fields.clone())).expect("written");
        assert_eq!(written.warnings, ["a.png is not exported: the disk"]);
        exporter.finish().expect("finished");
        assert_eq!(read(&to).len(), 1);
    }
}

/// Imports into a school that gives every record a new id, as a node does; gives back what became of each.
fn into_a_school(from: &Path) -> (BTreeMap<RecordId, RecordId>, BTreeMap<RecordId, Fields>) {
    let place = tempfile::tempdir().expect("a folder");
    let import = Import::open(from, &Options::default(), date(2026, 11, 22), place.path(), |_, _| {}).expect("opened");
    let (mut references, mut became, mut held) = (References::default(), BTreeMap::new(), BTreeMap::new());
    let mut only = None;
    for _ in 0..20 {
        let mut saved = 0;
        for found in import.records(only).expect("read") {
            let mut found = found.expect("a record");
            if references.resolve(&mut found) == Next::Later {
                continue;
            }
            let there = found.origin.expect("exported").id;
            let new = id(1_000 + u32::try_from(became.len()).expect("few"));
            let here = *became.entry(there).or_insert(new);
            let before: &mut Fields = held.entry(here).or_default();
            before.extend(found.draft.fields);
            references.is_here(there, here);
            saved += 1;
        }
        let Some(waiting) = references.another_pass(saved) else {
            assert_eq!(references.left().count(), 0);
            return (became, held);
        };
        only = Some(std::sync::Arc::new(waiting));
    }
    panic!("it does not end");
}

#[test]
fn records_that_name_each_other_do_so_afterwards() {
    let reference = |number: u32| Reference { id: id(number).to_string(), line: format!("line {number}") };
    let records = |numbers: &[u32]| {
        let all: Vec<Reference> = numbers.iter().map(|number| reference(*number)).collect();
        ("records".to_owned(), Value::Extra(references::arrange(&BTreeMap::new(), &all)))
    };
    let all = [
        exported(1, "resource", Fields::from([line("title", "A"), line("based_on", &id(2).to_string())])),
        // Based on each other, as only edits can make it.
        exported(2, "resource", Fields::from([line("title", "B"), line("based_on", &id(1).to_string())])),
        exported(3, "comment", Fields::from([line("about", &id(4).to_string()), text("body", "Thanks")])),
        exported(4, "comment", Fields::from([line("about", &id(1).to_string()), text("body", "Good")])),
        exported(5, "collection", Fields::from([line("title", "C"), records(&[6, 3, 1])])),
        exported(6, "collection", Fields::from([line("title", "D"), records(&[5, 99])])),
        exported(7, "resource", Fields::from([line("title", "E"), line("based_on", &id(99).to_string())])),
        exported(8, "tried", Fields::from([line("about", &id(7).to_string()), text("what_happened", "It rained")])),
    ];
    for format in [Format::Markdown, Format::JsonLines] {
        let folder = TempDir::new().expect("a folder");
        write(&folder.path().join("export"), format, &all);
        let (became, held) = into_a_school(&folder.path().join("export"));
        assert_eq!(became.len(), all.len());
        let new = |number: u32| became.get(&id(number)).copied().unwrap_or(id(number)).to_string();
        for record in &all {
            let mut expected = record.fields.clone();
            expected.remove("kind");
            for value in expected.values_mut() {
                match value {
                    Value::Line(line) => {
                        if let Some(number) = (1..100).find(|number| *line == id(*number).to_string()) {
                            *line = new(number);
                        }
                    }
                    Value::Extra(map) => {
                        *map = std::mem::take(map)
                            .into_iter()
                            .map(|(key, text)| {
                                let number = (1..100).find(|number| key == id(*number).to_string());
                                (number.map_or(key, new), text)
                            })
                            .collect();
                    }
                    _ => {}
                }
            }
            let here = &held[&became[&record.id]];
            assert_eq!(compared(&record.kind, here), compared(&record.kind, &expected), "{format:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_records_come_back_as_they_were(
        records in proptest::collection::vec(any_fields(), 1..4),
        odd in proptest::option::of(("[a-z]{1,6}", "\\PC{0,9}|\0|\u{85}|a\nb")),
        json: bool,
        zip: bool,
    ) {
        let mut records: Vec<Exported> =
            (0..).zip(records).map(|(number, (kind, fields))| exported(number, kind, fields)).collect();
        // What a partner's newer program may have written: a field that is not known, of any type.
        if let Some((name, value)) = odd.filter(|(name, value)| Kind::named("resource").expect("a kind").field(name).is_none() && !value.is_empty() && name != "kind") {
            records[0].fields.insert(name.clone(), Value::Line(value.clone()));
            records[0].fields.insert("summary".to_owned(), Value::Text(value));
        }
        let folder = TempDir::new().expect("a folder");
        let to = folder.path().join(if zip { "export.zip" } else { "export" });
        write(&to, if json { Format::JsonLines } else { Format::Markdown }, &records);
        check_same(&records, &read(&to));
    }

    #[test]
    fn any_page_is_read_or_refused(page in "(---\n|kind: resource\n|title: A\n|staffroom: \\{ version: 1, id: \\PC{0,5} \\}\n|exact: \\PC{0,9}\n|\\PC|\n){0,20}") {
        let folder = TempDir::new().expect("a folder");
        let to = folder.path().join("export");
        write(&to, Format::Markdown, &[]);
        fs::create_dir(to.join("resource")).expect("made");
        fs::write(to.join("resource/a.md"), page).expect("written");
        let import = Import::open(&to, &Options::default(), date(2026, 11, 22), folder.path(), |_, _| {}).expect("opened");
        prop_assert_eq!(import.records(None).expect("read").count(), 1);
    }
}
