//! One time that an event takes place, as a draft.

use std::collections::BTreeMap;

use jiff::Zoned;
use staffroom_protocol::{
    limits,
    record::field::{Fields, Value},
};

use super::{
    super::{
        date,
        draft::{Draft, Options},
        json::one_line,
        refusal::Refusal,
    },
    components::Event,
};

/// When it takes place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct When {
    pub(super) start: Zoned,
    pub(super) end: Option<Zoned>,
    /// Whether it is a matter of days, not of hours.
    pub(super) all_day: bool,
}

/// The draft of an event at one of its times; `source` is empty where the calendar has no name for it.
pub(super) fn draft(
    what: &str,
    event: &Event,
    when: Option<&When>,
    source: &str,
    mut warnings: Vec<String>,
    options: &Options,
) -> Result<Draft, Refusal> {
    let mut fields = Fields::new();
    let mut line = |name: &str, text: &str| {
        fields.insert(name.to_owned(), Value::Line(one_line(text.trim())));
    };
    line("title", &event.text("SUMMARY"));
    line("place", &event.text("LOCATION"));
    line("source", source);
    line("state", state(event, when));
    if let Some(host) = event.get("ORGANIZER").and_then(|organiser| organiser.parameter("CN")) {
        // An address for letters is nobody's name.
        line("host", if host.contains('@') { "" } else { host });
    }
    let mut extra = BTreeMap::new();
    let link = ["URL", "CONFERENCE"].map(|name| event.text(name)).into_iter().find(|link| !link.is_empty());
    if let Some(link) = link {
        let lower = link.to_ascii_lowercase();
        if lower.starts_with("https://") || lower.starts_with("http://") {
            line("link", &link);
        } else if link.len() < limits::LINE / 2 {
            extra.insert("url".to_owned(), serde_json::Value::from(link).to_string());
        }
    }
    if let Some(when) = when {
        line("start", &date::written(&when.start).unwrap_or_default());
        line("end", &when.end.as_ref().and_then(date::written).unwrap_or_default());
        if when.all_day {
            extra.insert("all_day".to_owned(), "true".to_owned());
        }
    }
    if event.sequence() != 0 {
        extra.insert("sequence".to_owned(), event.sequence().to_string());
    }
    fields.insert("programme".to_owned(), Value::Text(event.text("DESCRIPTION")));
    fields.insert("tags".to_owned(), tags(event, &mut warnings));
    fields.insert("extra".to_owned(), Value::Extra(extra));
    if event.is_shortened() {
        warnings.push("one of its properties is too long to be read and is left out".to_owned());
    }
    options.apply(&mut fields);
    let draft = Draft { kind: "event".to_owned(), fields, attachments: Vec::new(), warnings };
    draft.check(what).map_err(|refusal| refusal.at_line(event.line))?;
    Ok(draft)
}

/// Without a date it is tentative, whatever the calendar says, unless it is cancelled.
fn state(event: &Event, when: Option<&When>) -> &'static str {
    let status = event.text("STATUS").to_ascii_uppercase();
    match status.as_str() {
        _ if event.cancels => "cancelled",
        "CANCELLED" | "CANCELED" => "cancelled",
        "TENTATIVE" => "tentative",
        _ if when.is_none() => "tentative",
        _ => "confirmed",
    }
}

fn tags(event: &Event, warnings: &mut Vec<String>) -> Value {
    let all = event.all("CATEGORIES").flat_map(super::content::Property::texts).map(|tag| one_line(tag.trim()));
    let (tags, long): (Vec<String>, Vec<String>) = all.partition(|tag| tag.len() <= limits::SET_MEMBER);
    let Value::Set(mut tags) = Value::set(tags) else { return Value::Set(Vec::new()) };
    if tags.len() > limits::SET || !long.is_empty() {
        warnings.push(format!("some of its categories are left out: at most {} short ones are kept", limits::SET));
        tags.truncate(limits::SET);
    }
    Value::Set(tags)
}
