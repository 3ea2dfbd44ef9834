//! The guide shows what the program prints; so do the pages of wrong input in `tests/transcripts`.

use std::path::Path;

use staffroom_tests::transcripts;

/// Runs every page of a folder and tells of all that differ.
fn pages_hold(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut pages: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|ending| ending == "md"));
    pages.sort();
    assert!(!pages.is_empty(), "no pages in {}", folder.display());
    let mut wrong = String::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        if let Err(why) = transcripts::run(&text) {
            wrong.push_str(&format!("{}\n{why}\n", page.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_guide_shows_what_the_program_prints() {
    pages_hold("../docs/guide");
}

#[test]
fn wrong_input_is_answered_with_a_reason_and_its_exit_code() {
    pages_hold("transcripts");
}

#[test]
fn a_page_that_differs_fails() {
    let page = |output: &str| format!("```console\n$ share list\n? 3\n{output}\n```\n");
    let right = "error: no school is set up in [..]\n...";
    assert_eq!(transcripts::run(&page(right)), Ok(()));
    assert!(transcripts::run(&page("error: something else")).is_err());
    assert!(transcripts::run(&page(right).replace("? 3", "? 0")).is_err());
    assert!(transcripts::run(&page("")).is_err());
}
