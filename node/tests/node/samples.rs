//! The sample records of `share demo` read without a word of warning.

use std::path::Path;

use staffroom_node::exchange::{Options, folder};

#[test]
fn the_samples_of_the_demonstration_read_without_warnings() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/src/commands/demo/samples");
    let mut states = Vec::new();
    for school in ["hillside", "northgate", "brook"] {
        let plan = folder::scan(&samples.join(school)).expect("a folder");
        for file in &plan.files {
            let draft = folder::read(&plan, file, &Options::default()).expect("a record");
            assert_eq!(draft.warnings, Vec::<String>::new(), "{}", file.display());
            assert!(!draft.fields.contains_key("extra"), "{}: {:?}", file.display(), draft.fields.get("extra"));
            draft.check(draft.title()).expect("a valid record");
            states.push(draft.state().to_owned());
        }
    }
    assert_eq!(states.len(), 18);
    assert_eq!(states.iter().filter(|state| *state == "tentative").count(), 1, "the event without a date");
}
