//! Adapting: what goes along, what has to be said, what a licence stops.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{edits, line, text};
use proptest::prelude::*;
use staffroom_protocol::id::RecordId;
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::adapt::{NotAdapted, Original, adapt};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::kind::{self, KINDS, Kind};

fn lesson(licence: &str) -> Fields {
    edits([
        ("kind", line("resource")),
        ("title", line("Fractions, a warm-up")),
        ("body", text("Draw the bar.")),
        ("authors", Value::set(["A. Teacher", "B. Ahmed"])),
        ("source", line("https://example.org/fractions")),
        ("licence", line(licence)),
        ("a_later_field", line("kept back")),
    ])
}

fn original<'a>(fields: &'a Fields, school: &'a str) -> Original<'a> {
    Original { id: RecordId([7; 32]), kind: "resource", fields, school }
}

#[test]
fn the_chain_of_attribution_is_kept() {
    let first = lesson("CC-BY-4.0");
    let copy = adapt(original(&first, "Hillside Primary"), true).unwrap();
    assert!(copy.warnings.is_empty());
    let id = RecordId([7; 32]);
    let said = format!(
        "\"Fractions, a warm-up\" by A. Teacher, B. Ahmed, Hillside Primary (https://example.org/fractions, record {id}), CC-BY-4.0"
    );
    assert_eq!(copy.fields["attribution"], text(&said));
    assert_eq!(copy.fields["based_on"], line(&id.to_string()));
    assert_eq!((&copy.fields["state"], &copy.fields["authors"]), (&line("draft"), &first["authors"]));
    assert!(!copy.fields.contains_key("source") && !copy.fields.contains_key("a_later_field"));
    assert_eq!(kind::check(Kind::named("resource").unwrap(), &copy.fields), Ok(()));

    let mut changed = copy.fields;
    changed.insert("title".to_owned(), line("Fractions for Year 5"));
    changed.insert("authors".to_owned(), Value::set(["C. Jones"]));
    let again = adapt(original(&changed, "Brook Lane School"), false).unwrap();
    let own = format!("\"Fractions for Year 5\" by C. Jones, Brook Lane School (record {id}), CC-BY-4.0");
    assert_eq!(again.fields["attribution"], text(&format!("{own}\n{said}")));
    assert_eq!(again.fields["state"], line("published"));
}

#[test]
fn a_licence_stops_or_warns() {
    let told = |licence: &str| adapt(original(&lesson(licence), "Hillside Primary"), true);
    let stopped = told("CC-BY-NC-ND-4.0");
    assert_eq!(stopped, Err(NotAdapted::NoDerivatives { licence: "CC-BY-NC-ND-4.0".to_owned() }));
    assert!(told("CC-BY-ND-4.0 OR CC-BY-4.0").unwrap().warnings.is_empty());
    let warned = told("CC-BY-NC-SA-4.0").unwrap().warnings;
    assert!(warned.len() == 2 && warned[0].contains("(NC)") && warned[1].contains("(SA)"), "{warned:?}");
    assert!(told("").unwrap().warnings[0].contains("is not stated: ask Hillside Primary"));
    assert!(told("© Oak Academy").unwrap().warnings[0].contains("read it before you share"));
}

#[test]
fn what_somebody_said_is_not_adapted_and_what_can_be_begins_as_it_may() {
    let fields = edits([("title", line("A")), ("about", line("b")), ("body", text("c"))]);
    for kind in KINDS {
        let original = Original { kind: kind.name, ..original(&fields, "Hillside Primary") };
        let states = [true, false].map(|own| adapt(original, own).ok().map(|copy| copy.fields["state"].clone()));
        let expected = match kind.name {
            "comment" | "tried" | "sign-up" | "school" => [None, None],
            "event" => [Some(line("tentative")), Some(line("tentative"))],
            "idea" => [Some(line("open")), Some(line("open"))],
            _ => [Some(line("draft")), Some(line("published"))],
        };
        assert_eq!(states, expected, "{}", kind.name);
    }
    let later = Original { kind: "a later kind", ..original(&fields, "Hillside Primary") };
    assert!(adapt(later, true).is_err());
}

proptest! {
    #[test]
    fn any_adaptation_names_every_record_that_it_descends_from(
        schools in proptest::collection::vec("[A-Z][a-z]{1,8}", 1..6),
    ) {
        let mut fields = lesson("CC-BY-SA-4.0");
        for school in &schools {
            fields = adapt(original(&fields, school), true).unwrap().fields;
        }
        let said = fields["attribution"].as_str().unwrap().lines().collect::<Vec<_>>();
        prop_assert_eq!(said.len(), schools.len());
        for (line, school) in said.iter().zip(schools.iter().rev()) {
            prop_assert!(line.contains(school.as_str()) && line.ends_with("CC-BY-SA-4.0"));
        }
    }
}
