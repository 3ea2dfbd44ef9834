//! Markdown with front matter of every shape.

use proptest::prelude::*;
use staffroom_node::exchange::{
    Draft, Options, Reason, Refusal,
    markdown::{self, readable},
};
use staffroom_protocol::record::field::Value;

fn try_read(text: &str, options: &Options) -> Result<Draft, Refusal> {
    markdown::read("the-file.md", "folder/the-file.md", text.as_bytes(), options).map(|page| page.draft)
}

fn read(text: &str) -> Draft {
    try_read(text, &Options::default()).expect("read")
}

fn line<'a>(draft: &'a Draft, field: &str) -> &'a str {
    draft.fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn extra<'a>(draft: &'a Draft, key: &str) -> Option<&'a str> {
    match draft.fields.get("extra") {
        Some(Value::Extra(extra)) => extra.get(key).map(String::as_str),
        _ => None,
    }
}

#[test]
fn keys_of_every_spelling_find_their_fields() {
    let draft = read(
        "---\nTitle: Fractions\nDESCRIPTION: |\n  Two\n  lines\nauthor: A. Teacher; B. Teacher\nKeywords: [a, 2, true]\nSubject: Mathematics\n\
         key stage: 2\nYear-Groups: [Year 5, Y6]\nlicense: CC BY 4.0\nlang: en\ntype: worksheet\nduration: 50 minutes\nteaching: 30\nsurvey: ~\n---\n\nBody\n",
    );
    assert_eq!(draft.kind, "resource");
    assert_eq!(draft.title(), "Fractions");
    assert_eq!(line(&draft, "summary"), "Two lines");
    assert_eq!(draft.fields["authors"].members(), ["A. Teacher", "B. Teacher"]);
    assert_eq!(draft.fields["tags"].members(), ["a", "2", "true"]);
    assert_eq!(draft.fields["subjects"].members(), ["Mathematics"]);
    assert_eq!(draft.fields["key_stages"].members(), ["KS2"]);
    assert_eq!(draft.fields["year_groups"].members(), ["5", "6"]);
    assert_eq!(line(&draft, "licence"), "CC-BY-4.0");
    assert_eq!(line(&draft, "language"), "en");
    assert_eq!(line(&draft, "resource_type"), "worksheet");
    assert_eq!(line(&draft, "time_required"), "50 minutes");
    assert_eq!((extra(&draft, "teaching"), extra(&draft, "survey")), (Some("30"), Some("null")));
    assert_eq!(line(&draft, "body"), "Body\n");
    assert_eq!(draft.state(), "published");
    assert!(draft.warnings.is_empty(), "{:?}", draft.warnings);
}

#[test]
fn the_kind_is_told_by_the_page() {
    let kind = |text: &str| read(text).kind;
    assert_eq!(kind("text"), "resource");
    assert_eq!(kind("---\nkind: Note\n---\n"), "note");
    assert_eq!(kind("---\nlayout: event\n---\n"), "event");
    assert_eq!(kind("---\ndate: 2025-06-24\nlocation: Leeds\n---\n"), "event");
    assert_eq!(kind("---\ndate: 2025-06-24\nend_date: 2025-06-25\n---\n"), "event");
    assert_eq!(kind("---\ndate: 2025-06-24\n---\n"), "resource");
    assert_eq!(kind("---\nlocation: Leeds\n---\n"), "resource");
    let note = Options { kind: Some("note".to_owned()), ..Options::default() };
    assert_eq!(try_read("---\nkind: event\n---\n", &note).expect("read").kind, "note");
    let odd = read("---\nkind: sermon\n---\n");
    assert_eq!((odd.kind.as_str(), extra(&odd, "kind"), odd.warnings.len()), ("resource", Some("\"sermon\""), 1));
    let unknown = Options { kind: Some("sermon".to_owned()), ..Options::default() };
    let refusal = try_read("x", &unknown).expect_err("refused");
    assert_eq!(refusal.to_string(), "the kind that was asked for: \"sermon\" is not a kind of record");
}

#[test]
fn states_follow_from_the_page() {
    let state = |text: &str| read(text).state().to_owned();
    assert_eq!(state("---\nlayout: event\ndate: 2025-06-24\n---\n"), "confirmed");
    assert_eq!(state("---\nlayout: event\n---\n"), "tentative");
    assert_eq!(state("---\nlayout: event\nstate: confirmed\n---\n"), "tentative");
    assert_eq!(state("---\nlayout: event\nstatus: Held\n---\n"), "held");
    assert_eq!(state("---\nlayout: event\ncancelled: true\n---\n"), "cancelled");
    assert_eq!(state("---\nlayout: event\ndate: 2025-06-24\ncancelled: no\n---\n"), "confirmed");
    assert_eq!(state("---\nlayout: event\ndate: 2025-06-24\ncanceled: yes\nstate: confirmed\n---\n"), "cancelled");
    assert_eq!(state("---\ndraft: true\n---\n"), "draft");
    assert_eq!(state("---\npublished: false\n---\n"), "draft");
    assert_eq!(state("---\ndraft: false\n---\n"), "published");
    let odd = read("---\nstatus: reviewed\n---\n");
    assert_eq!((odd.state(), extra(&odd, "status"), odd.warnings.len()), ("published", Some("\"reviewed\""), 1));
}

#[test]
fn a_date_that_cannot_be_read_is_kept_and_said() {
    let draft = read("---\nlayout: event\ndate: soon\nend: 2025-06-24 17:00\n---\n");
    assert_eq!((draft.state(), extra(&draft, "date")), ("tentative", Some("\"soon\"")));
    assert_eq!(draft.warnings, ["date: \"soon\" is not a date, so start is left open"]);
    assert_eq!(line(&draft, "end"), "2025-06-24T17:00:00+01:00[Europe/London]");
}

#[test]
fn dates_without_a_zone_are_in_the_schools() {
    let paris = Options { zone: "Europe/Paris".to_owned(), ..Options::default() };
    let draft = try_read("---\nlayout: event\ndate: 2025-06-24 16:00\n---\n", &paris).expect("read");
    assert_eq!(line(&draft, "start"), "2025-06-24T16:00:00+02:00[Europe/Paris]");
    let nowhere = Options { zone: "Europe/Atlantis".to_owned(), ..Options::default() };
    assert_eq!(try_read("x", &nowhere).expect_err("refused").why, Reason::UnknownZone("Europe/Atlantis".to_owned()));
}

#[test]
fn html_in_a_line_becomes_text() {
    let draft = read("---\nlayout: event\nlocation: Hall and <a href=\"https://example.org/x\">the channel</a>\n---\n");
    assert_eq!(line(&draft, "place"), "Hall and the channel");
    assert_eq!(line(&draft, "link"), "https://example.org/x");
    let taken = read(
        "---\nlayout: event\nurl: <https://example.org/y>\nlocation: <a href=\"https://example.org/x\">x</a>\n---\n",
    );
    assert_eq!(line(&taken, "link"), "https://example.org/y");
    assert!(extra(&taken, "location").is_some_and(|kept| kept.contains("https://example.org/x")));
}

#[test]
fn the_title_comes_from_where_there_is_one() {
    assert_eq!(read("---\ntitle: A\n---\n# B\n").title(), "A");
    assert_eq!(read("---\ntitle:\n---\ntext\n\n## B *c* `d`\n").title(), "B c d");
    assert_eq!(read("text").title(), "The file");
    let asked = Options { title: Some("C".to_owned()), ..Options::default() };
    assert_eq!(try_read("---\ntitle: A\n---\n# B\n", &asked).expect("read").title(), "C");
    assert_eq!(readable("sr2017-bristol_kickstart.md"), "Sr2017 bristol kickstart");
    assert_eq!(readable("---.md"), "---.md");
    assert_eq!(readable("Mr. Smith's plan"), "Mr. Smith's plan");
    let long = format!("---\ntitle: {}\n---\n", "x".repeat(301));
    let refusal = try_read(&long, &Options::default()).expect_err("refused");
    assert_eq!(refusal.to_string(), "folder/the-file.md: title is too long: 301 characters, at most 300");
    assert_eq!(refusal.hints, ["Give it a shorter title in its front matter, or with --title"]);
}

#[test]
fn what_is_asked_for_is_laid_over() {
    let asked = Options {
        summary: Some("S".to_owned()),
        subjects: vec!["Art".to_owned()],
        key_stages: vec!["ks1".to_owned(), "KS2".to_owned()],
        tags: vec!["b".to_owned(), "c".to_owned()],
        licence: Some("CC0-1.0".to_owned()),
        ..Options::default()
    };
    let draft = try_read("---\nsummary: T\ntags: [a, b]\nkey_stage: 1\n---\n", &asked).expect("read");
    assert_eq!(line(&draft, "summary"), "S");
    assert_eq!(draft.fields["subjects"].members(), ["Art"]);
    assert_eq!(draft.fields["key_stages"].members(), ["KS1", "KS2"]);
    assert_eq!(draft.fields["tags"].members(), ["a", "b", "c"]);
    assert_eq!(line(&draft, "licence"), "CC0-1.0");
}

#[test]
fn the_body_is_kept_to_the_byte() {
    let draft = read("\u{feff}# A\r\n\r\n\tx  \r\n");
    assert_eq!(line(&draft, "body"), "# A\r\n\r\n\tx  \r\n");
    assert_eq!(draft.title(), "A");
    assert_eq!(line(&draft, "source"), "folder/the-file.md");
    assert_eq!(line(&read("---\nsource: https://example.org\n---\n"), "source"), "https://example.org");
}

#[test]
fn what_is_no_text_or_too_long_is_refused() {
    let refuse = |bytes: &[u8]| markdown::read("a.md", "a.md", bytes, &Options::default()).expect_err("refused");
    assert_eq!(refuse(b"a\0b").why, Reason::NotText);
    assert_eq!(refuse(b"caf\xe9").why, Reason::NotText);
    assert_eq!(refuse(b"x".repeat(65_537).as_slice()).why, Reason::TooLong { is: 65_537, most: 65_536 });
    assert!(read(&"x ".repeat(32_768)).warnings.is_empty());
    let many = format!(
        "---\ntags: [{}]\n---\n",
        vec!["a"; 51].iter().enumerate().map(|(n, a)| format!("{a}{n}")).collect::<Vec<_>>().join(",")
    );
    assert_eq!(refuse(many.as_bytes()).to_string(), "a.md: tags is too long: 51 members, at most 50");
}

#[test]
fn what_extra_cannot_hold_is_said() {
    let long = read(&format!("---\nnotes: {}\n---\n", "x".repeat(3_000)));
    assert!(!long.fields.contains_key("extra"));
    assert_eq!(long.warnings, ["\"notes\" is left out: 3002 bytes, at most 2000 are kept"]);
    let keys: Vec<String> = (0..55).map(|n| format!("k{n}: {n}")).collect();
    assert_eq!(read(&format!("---\n{}\n---\n", keys.join("\n"))).warnings.len(), 5);
}

proptest! {
    #[test]
    fn any_page_is_read_without_panic(text in "(---\n|title: |date: |tags: |layout: event\n|\\[|\\]|<a href=|>|# |!\\[\\]\\(|\\)|\n|\\PC){0,40}") {
        if let Ok(draft) = try_read(&text, &Options::default()) {
            prop_assert!(draft.check("it").is_ok());
            prop_assert!(!draft.title().is_empty());
        }
    }

    #[test]
    fn any_front_matter_is_read_without_panic(text in "([a-z_]{1,9}: ([a-z0-9 :-]{0,20}|\\[[a-z, ]{0,9}\\])\n|(date|start|kind|cancelled|capacity|location): \\PC{0,20}\n){0,12}") {
        if let Ok(draft) = try_read(&format!("---\nlayout: event\n{text}---\n\nBody"), &Options::default()) {
            prop_assert!(draft.check("it").is_ok());
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = markdown::read("a", "", &bytes, &Options::default());
    }
}
