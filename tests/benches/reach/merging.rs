//! Reading and editing single records, beside what Automerge takes for the same.

use std::time::{Duration, Instant};

use staffroom_node::exchange::{Options, jsonl};
use staffroom_protocol::Replica;
use staffroom_protocol::id::RecordId;
use staffroom_protocol::record::change::Change;
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::{View, past::Past, write_genesis};
use staffroom_protocol::replica::{Draft, Edit};
use staffroom_protocol::store::MemoryStore;
use staffroom_protocol::time::Millis;
use staffroom_tests::processes::corpus;

use crate::rules::school;
use crate::{figure, ms, row};

/// Records read and loaded for the comparison.
const LESSONS: usize = 2_000;

pub(crate) fn run() {
    println!();
    reading();
    editing();
    refusing();
}

/// The records of the corpus, or as many of our own.
fn lessons() -> Vec<Fields> {
    let Some(path) = corpus("oak-lessons.jsonl.gz") else {
        println!("the corpus is not beside the project: lessons of our own instead");
        return (0..LESSONS).map(crate::rules::fields).collect();
    };
    let lines = jsonl::open(&path, &Options::default()).expect("opens");
    lines.take(LESSONS).map(|line| line.expect("a lesson").fields).collect()
}

fn reading() {
    let lessons = lessons();
    let changes: Vec<Vec<u8>> = lessons.iter().map(|fields| write_genesis([7; 16], fields)).collect();
    let saved = |change: &Vec<u8>| {
        let mut document = automerge::Automerge::new();
        let change = automerge::Change::from_bytes(change.clone()).expect("a change");
        document.apply_changes([change]).expect("applies");
        document.save()
    };
    let saved: Vec<Vec<u8>> = changes.iter().map(saved).collect();
    let begun = Instant::now();
    for document in &saved {
        let _loaded = std::hint::black_box(automerge::Automerge::load(document).expect("loads"));
    }
    let loaded = begun.elapsed();
    let begun = Instant::now();
    for change in &changes {
        let change = Change::read(change).expect("is read");
        Past::default().admit(&change).expect("fits");
    }
    let judged = begun.elapsed();
    let begun = Instant::now();
    for change in &changes {
        let _view = std::hint::black_box(View::of(&[change]).expect("is read"));
    }
    let read = begun.elapsed();
    let each = |time: Duration| ms(time) * 1e3 / changes.len() as f64;
    row("a lesson read from its columns", each(read), each(loaded), "µs", "Automerge loading the same");
    row("a lesson judged by the guard", each(judged), each(loaded), "µs", "Automerge loading the same");
}

/// A text of words, nearly as long as one may be.
fn long_text(factor: u32) -> String {
    let words = (0u32..).map(|n| (n.wrapping_mul(factor) % 99_991).to_string());
    let mut text = String::new();
    for (n, word) in words.enumerate() {
        if text.len() + word.len() + 2 > 65_000 {
            return text;
        }
        text.push_str(&word);
        text.push_str(if n % 12 == 11 { ".\n" } else { " " });
    }
    text
}

fn with_body(body: &str) -> Fields {
    let line = |text: &str| Value::Line(text.to_owned());
    Fields::from([("title".to_owned(), line("A long note")), ("body".to_owned(), Value::Text(body.to_owned()))])
}

fn edited(school: &mut Replica<MemoryStore>, record: RecordId, body: String) -> Duration {
    let fields = Fields::from([("body".to_owned(), Value::Text(body))]);
    let edit = Edit { record, fields, heads: None, author: "Ada Brook".to_owned() };
    let begun = Instant::now();
    assert_eq!(school.edit(&edit, Millis(9)), Ok(true));
    school.flush().expect("flushes");
    begun.elapsed()
}

fn editing() {
    let mut school = school(1);
    let space = school.found("The Brook Cluster").expect("founds");
    let (old, new) = (long_text(2_654_435_761), long_text(2_246_822_519));
    let mut make = |body: &str| {
        let fields = with_body(body);
        let draft = Draft { space, kind: "note".to_owned(), fields, author: "Ada Brook".to_owned(), open: None };
        let record = school.create(&draft, Millis(5)).expect("creates");
        school.flush().expect("flushes");
        record
    };
    let (rewritten, cold, opened, often) = (make(&old), make(&old), make(&old), make("Some words."));
    let sentence = old.replacen("0 1", "one sentence that is new here, 1", 1);
    assert_ne!(sentence, old);
    let took = edited(&mut school, cold, sentence);
    figure("a changed sentence in 64 KiB, saved unseen", ms(took), "ms", "as from a file; its document is built first");
    school.expect_change(&rewritten).expect("gets ready");
    let took = edited(&mut school, rewritten, new.clone());
    figure("64 KiB of text opened, rewritten whole, saved", ms(took), "ms", "goal: under 500");
    let took = edited(&mut school, rewritten, new.replacen("10 ", "ten and then some more words ", 1));
    figure("a changed sentence in it, saved", ms(took), "ms", "goal: under 20");
    school.expect_change(&opened).expect("gets ready");
    let took = edited(&mut school, opened, old.replacen("10 ", "ten and then some more words ", 1));
    figure("a changed sentence in 64 KiB of text that was opened, saved", ms(took), "ms", "goal: under 20");
    let mut last = Duration::ZERO;
    for n in 0..200 {
        last = edited(&mut school, often, format!("Some words, and after {n} changes some more."));
    }
    figure("the two hundredth change of a record, saved", ms(last), "ms", "");
}

/// What a hostile partner sends is refused in no time.
fn refusing() {
    let refused = |what: &str, bytes: &[u8]| {
        let count = 100;
        let begun = Instant::now();
        for _ in 0..count {
            let change = Change::read(std::hint::black_box(bytes));
            let fits = change.and_then(|change| Past::default().admit(&change));
            assert!(fits.is_err(), "{what} is refused");
        }
        figure(&format!("refused: {what}"), ms(begun.elapsed()) / f64::from(count), "ms", "goal: under 5");
    };
    let vectors = include_str!("../../../docs/vectors/changes.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).expect("JSON");
    for vector in vectors["changes"].as_array().expect("a list") {
        let name = vector["name"].as_str().expect("a name");
        if name.contains("operations") || name.contains("packed") {
            let change = vector["change"].as_str().expect("hexadecimal");
            let byte = |at: usize| u8::from_str_radix(&change[at..at + 2], 16).expect("hexadecimal");
            refused(name, &(0..change.len()).step_by(2).map(byte).collect::<Vec<u8>>());
        }
    }
    refused("16,000 parents that nobody has", &staffroom_tests::liar::orphan(16_000));
}
