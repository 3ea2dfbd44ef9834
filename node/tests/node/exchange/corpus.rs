//! Real input (the corpus beside the project); skipped, by name, where it is absent.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

use staffroom_node::exchange::{Draft, Options, export::Format, folder, jsonl};
use staffroom_protocol::record::field::Value;

use super::exports;

/// The corpus folder, or nothing with a line that says which test was skipped.
fn corpus(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    // A work tree beside the project lies one folder deeper.
    let elsewhere = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let named = std::env::var_os("STAFFROOM_CORPUS").map(PathBuf::from);
    let places = named.map_or(vec![beside, elsewhere], |named| vec![named]);
    let found = places.into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        // Written to where the test harness shows it even of a test that passes.
        let said = format!("skipped: {test}: there is no corpus; set STAFFROOM_CORPUS to its folder\n");
        std::io::stderr().write_all(said.as_bytes()).expect("written");
    }
    found
}

fn read_all(path: &Path) -> BTreeMap<String, Draft> {
    let plan = folder::scan(path).expect("scanned");
    assert_eq!(plan.left_out, []);
    let options = Options::default();
    let drafts = plan.files.iter().map(|file| folder::read(&plan, file, &options).expect("read"));
    drafts.map(|draft| (draft.source().to_owned(), draft)).collect()
}

fn line<'a>(draft: &'a Draft, field: &str) -> &'a str {
    draft.fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn all_events_are_read() {
    let Some(corpus) = corpus("all_events_are_read") else { return };
    let events = read_all(&corpus.join("events"));
    assert_eq!(events.len(), 81);
    assert!(events.values().all(|event| event.kind == "event" && event.warnings.is_empty()));
    let dated = events.values().filter(|event| event.fields.contains_key("start")).count();
    let ended = events.values().filter(|event| event.fields.contains_key("end")).count();
    let mut states = BTreeMap::new();
    for event in events.values() {
        *states.entry(event.state()).or_insert(0) += 1;
    }
    assert_eq!((dated, ended), (80, 33));
    assert_eq!(states, BTreeMap::from([("cancelled", 8), ("confirmed", 72), ("tentative", 1)]));
    assert_eq!(events["events/sr2020-virtual-competition.md"].state(), "tentative");

    let tech_day = &events["events/sr2025-cambridge-tech-day-january.md"];
    assert_eq!(tech_day.title(), "Cambridge January Tech Day");
    assert_eq!(line(tech_day, "start"), "2025-01-25T10:00:00+00:00[Europe/London]");
    assert_eq!(line(tech_day, "end"), "2025-01-25T17:00:00+00:00[Europe/London]");
    assert_eq!(line(tech_day, "place"), "Raspberry Pi Foundation, Cambridge");
    assert_eq!(line(tech_day, "form"), "tech-day");
    assert!(line(tech_day, "programme").starts_with("[Tech Days]"));

    let league = &events["events/sr2021-league-1.md"];
    assert_eq!(line(league, "place"), "Student Robotics' YouTube Channel");
    assert_eq!(line(league, "link"), "https://www.youtube.com/watch?v=cAvk-nfTUis");
    assert!(!league.fields["extra"].is_empty(), "its layout is kept");
}

#[test]
fn all_training_texts_are_read_and_missing_figures_named() {
    let Some(corpus) = corpus("all_training_texts_are_read_and_missing_figures_named") else { return };
    let drafts = read_all(&corpus.join("instructor-training"));
    let (texts, files): (Vec<_>, Vec<_>) = drafts.values().partition(|draft| draft.fields.contains_key("body"));
    assert_eq!(texts.len(), 26);
    assert!(drafts.values().all(|draft| draft.kind == "resource" && draft.state() == "published"));
    // One of the five figures is shown by a text; the others are records of their own.
    let names: Vec<&str> = files.iter().map(|draft| draft.attachments[0].name.as_str()).collect();
    assert_eq!(names, ["feedback-artwork.jpg", "git_concept_map.png", "lists-loops.png", "wrap-up-doc-example.pdf"]);
    let attached: Vec<_> = texts.iter().flat_map(|draft| &draft.attachments).collect();
    assert_eq!(attached.len(), 1);
    assert_eq!(attached[0].name, "carpentries-venn-diagram_20200904.svg");
    assert_eq!(attached[0].media_type, "image/svg+xml");

    let practice = &drafts["instructor-training/02-practice-learning.md"];
    assert_eq!(practice.title(), "Building Skill With Practice");
    let missing: Vec<String> =
        ["skill-level", "mental_models", "ballwater1a", "ballwater2a", "ballwater3a", "ballwater4a"]
            .iter()
            .map(|name| format!("the figure fig/{name}.svg is missing"))
            .collect();
    assert_eq!(practice.warnings, missing);
    let all: usize = texts.iter().map(|draft| draft.warnings.len()).sum();
    assert_eq!(all, 19);

    assert_eq!(
        drafts["instructor-training/rubric.md"].title(),
        "Rubric for Scoring Applications for Open Instructor Trainings"
    );
    let live = &drafts["instructor-training/17-live.md"];
    let Value::Extra(extra) = &live.fields["extra"] else { panic!("extra") };
    assert_eq!(extra["start"], "\"no\"", "a key that means something else on that web site");
}

#[test]
fn all_lessons_are_read() {
    let Some(corpus) = corpus("all_lessons_are_read") else { return };
    let path = corpus.join("oak-lessons.jsonl.gz");
    let mut lines = jsonl::open(&path, &Options::default()).expect("opened");
    let mut count = 0;
    for lesson in lines.by_ref() {
        let lesson = lesson.expect("read");
        count += 1;
        assert_eq!(lesson.kind, "resource");
        assert_eq!(lesson.state(), "published");
        assert!(lesson.warnings.is_empty() && !lesson.fields.contains_key("extra"));
        assert_eq!(line(&lesson, "licence"), "OGL-UK-3.0");
    }
    assert_eq!(count, 12_517);
    assert_eq!(lines.progress(), std::fs::metadata(&path).expect("a file").len());
}

#[test]
fn the_whole_corpus_comes_back_out_of_an_export_field_by_field() {
    let Some(corpus) = corpus("the_whole_corpus_comes_back_out_of_an_export_field_by_field") else { return };
    let lessons = jsonl::open(&corpus.join("oak-lessons.jsonl.gz"), &Options::default()).expect("opened");
    let mut drafts: Vec<Draft> = lessons.map(|lesson| lesson.expect("read")).collect();
    drafts.extend(read_all(&corpus.join("events")).into_values());
    drafts.extend(read_all(&corpus.join("instructor-training")).into_values());
    let numbered = (0..).zip(drafts);
    let records: Vec<_> =
        numbered.map(|(number, draft)| exports::exported(number, &draft.kind, draft.fields)).collect();
    for (format, name) in [(Format::Markdown, "export"), (Format::JsonLines, "export.zip")] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let to = folder.path().join(name);
        exports::write(&to, format, &records);
        exports::check_same(&records, &exports::read(&to));
    }
}
