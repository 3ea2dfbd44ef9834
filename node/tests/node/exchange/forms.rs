//! Forms for an editor.

use jiff::tz::TimeZone;
use proptest::{collection::vec, prelude::*};
use staffroom_node::exchange::{
    date,
    form::{self, from_form, to_form},
};
use staffroom_protocol::record::{
    field::{BlobRef, FieldType, Fields, Value},
    kind::{KINDS, Kind},
    references::{self, Reference},
};

fn kind(name: &str) -> &'static Kind {
    Kind::named(name).expect("a kind")
}

/// A line with anything that a line may hold.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "\\PC{1,30}",
        "[-:#'\"\\\\\\[\\]{},&*!|>%@`~ ]{1,9}",
        "(yes|no|null|1|1\\.10|~|- a|a: b|2025-06-24)"
    ]
    .prop_map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
    .prop_filter("not empty", |line| !line.is_empty())
}

fn any_value(kind: &'static Kind, name: &'static str) -> BoxedStrategy<Value> {
    let field = kind.field(name).expect("a field");
    match field.field_type {
        FieldType::Text => "([a-z#>*-]|---\n|\r\n|\r|\n|\\PC){1,40}".prop_map(Value::Text).boxed(),
        FieldType::Number => any::<i64>().prop_map(Value::Number).boxed(),
        FieldType::Set => vec(any_line(), 1..5).prop_map(Value::set).boxed(),
        FieldType::Date => (1970..2100_u16, 1..=12_u8, 1..=28_u8, 0..24_u8)
            .prop_map(|(year, month, day, hour)| {
                let line =
                    date::read(&format!("{year}-{month:02}-{day:02} {hour:02}:30 Europe/London"), &TimeZone::UTC);
                Value::Line(line.expect("a date"))
            })
            .boxed(),
        FieldType::Blobs => ("[a-z]{1,9}\\.png", any::<u64>(), any::<[u8; 32]>())
            .prop_map(|(name, bytes, id)| {
                Value::Blobs(vec![BlobRef { id: id.into(), name, bytes, media_type: "image/png".to_owned() }])
            })
            .boxed(),
        FieldType::References => vec(("[a-z2-7]{6,52}", proptest::option::of(any_line())), 1..5)
            .prop_map(|all| {
                let line = |line: Option<String>| line.unwrap_or_default().trim().to_owned();
                let all: Vec<_> = all.into_iter().map(|(id, said)| Reference { id, line: line(said) }).collect();
                Value::Extra(references::arrange(&std::collections::BTreeMap::new(), &all))
            })
            .boxed(),
        FieldType::Extra => proptest::collection::btree_map("[a-z]{1,5}", any_line(), 1..4)
            .prop_map(|map| {
                let json = |line: String| serde_json::Value::from(line).to_string();
                Value::Extra(map.into_iter().map(|(key, line)| (key, json(line))).collect())
            })
            .boxed(),
        FieldType::Choice { of, open: false } => {
            proptest::sample::select(of).prop_map(|word| Value::Line(word.to_owned())).boxed()
        }
        _ if name == "state" => proptest::sample::select(kind.states).prop_map(|s| Value::Line(s.to_owned())).boxed(),
        _ => any_line().prop_map(Value::Line).boxed(),
    }
}

/// Any valid fields of any kind.
pub(super) fn any_fields() -> impl Strategy<Value = (&'static str, Fields)> {
    let names = proptest::sample::select(KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>());
    names.prop_flat_map(|name| {
        let kind = kind(name);
        let fields: Vec<_> = kind
            .fields()
            .filter(|field| !(field.name == "state" && kind.states.is_empty()))
            .map(|field| {
                let value = any_value(kind, field.name);
                let value = if kind.needs.contains(&field.name) {
                    value.prop_map(Some).boxed()
                } else {
                    proptest::option::of(value).boxed()
                };
                value.prop_map(move |value| value.map(|value| (field.name.to_owned(), value)))
            })
            .collect();
        fields.prop_map(move |fields| (name, fields.into_iter().flatten().collect()))
    })
}

#[test]
fn a_form_prompts_for_what_is_empty() {
    let fields: Fields = [
        ("title", Value::Line("Year 7: Fractions".to_owned())),
        ("tags", Value::set(["practice", "a, b"])),
        ("body", Value::Text("# Text\n".to_owned())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let form = to_form(kind("resource"), &fields);
    assert!(form.starts_with("---\ntitle: \"Year 7: Fractions\"\n# What it is about, in a line or two\n# summary:\n"));
    assert!(form.contains("\ntags:\n  - practice\n  - \"a, b\"\n"));
    assert!(form.contains("# Where it stands: draft, published, superseded, withdrawn\n# state:\n"));
    assert!(form.ends_with("\n---\n\n# Text\n\n"), "{form}");
    assert_eq!(from_form(kind("resource"), &form), Ok(fields));
}

#[test]
fn what_is_emptied_is_gone() {
    let form = "---\ntitle: A\nsummary:\ntags: []\nauthors: A. Teacher, B. Teacher\n---\n\n\n";
    let fields = from_form(kind("resource"), form).expect("read");
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["authors", "title"]);
    assert_eq!(fields["authors"].members(), ["A. Teacher", "B. Teacher"]);
}

#[test]
fn a_form_that_is_broken_says_what_to_do() {
    let refusal = |text: &str| from_form(kind("event"), text).expect_err("refused");
    assert_eq!(
        refusal("---\ntitle: A\n").to_string(),
        "the form: its first part, between the lines of three dashes, is missing or does not end"
    );
    assert_eq!(refusal("text").hints.len(), 1);
    let unknown = refusal("---\ntitle: A\nwhere: B\n---\n");
    assert_eq!(unknown.to_string(), "the form: \"where\" is not a field of it");
    assert!(unknown.hints[0].contains("place"));
    let date = refusal("---\ntitle: A\nstart: soon\n---\n");
    assert_eq!(date.to_string(), "the form: start cannot be \"soon\": it must be a date");
    assert!(date.hints[0].contains("2025-06-24 16:00"));
    assert_eq!(refusal("---\nsummary: A\n---\n").to_string(), "the form: an event needs a title");
}

#[test]
fn a_text_that_ends_in_half_a_line_break_comes_back_whole() {
    let form = "---\ntitle: Half\n---\n# Half\r";
    let fields = from_form(kind("resource"), form).expect("read");
    assert_eq!(fields["body"], Value::Text("# Half\r".to_owned()));
    assert_eq!(from_form(kind("resource"), &to_form(kind("resource"), &fields)), Ok(fields.clone()));
    // An editor that ends its lines in another way changes nothing but that.
    let windows = "---\r\ntitle: Half\r\n---\r\n# Half\r\n\r\nMore\r\n";
    let fields = from_form(kind("resource"), windows).expect("read");
    assert_eq!(fields["body"], Value::Text("# Half\n\nMore".to_owned()));
}

proptest! {
    #[test]
    fn any_record_is_the_same_after_a_form((name, fields) in any_fields()) {
        let kind = kind(name);
        let form = to_form(kind, &fields);
        let spoken: Vec<&str> = form::fields(kind).map(|field| field.name).collect();
        let expected: Fields = fields.into_iter().filter(|(name, _)| spoken.contains(&name.as_str())).collect();
        prop_assert_eq!(from_form(kind, &form), Ok(expected), "{}", form);
    }

    #[test]
    fn any_text_is_read_as_a_form_without_panic(text in "(---\n|title: |start: |capacity: |[a-z0-9:]|\n|\\PC){0,40}") {
        let _ = from_form(kind("event"), &text);
        let _ = from_form(kind("event"), &format!("---\n{text}\n---\n"));
    }
}
