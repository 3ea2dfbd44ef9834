//! Which key of front matter means which field.
//!
//! Keys are compared without regard to case, and `-`, `_` and space are one. A field takes the first of
//! its keys that says something; every other key is kept under `extra`. The table is in the guide,
//! `docs/guide/publishing.md`; the two are kept in step by a test.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::{Map, Value as Json};
use staffroom_protocol::record::{
    field::{Field, FieldType, Value},
    kind::{self, Kind},
};

use super::{date, draft::published_kind, html, json::Reading};

/// Field → keys that mean it besides its own name, the likeliest first. Where kinds share a key, each
/// kind's own fields decide: `type` is an event's form and a resource's type.
pub const KEYS: &[(&str, &[&str])] = &[
    ("title", &[]),
    ("summary", &["description", "abstract"]),
    ("authors", &["author", "creator", "creators"]),
    ("language", &["lang"]),
    ("licence", &["license"]),
    ("tags", &["tag", "keywords", "keyword"]),
    ("subjects", &["subject"]),
    ("key_stages", &["key_stage", "keystages", "keystage"]),
    ("year_groups", &["year_group", "yeargroups", "yeargroup"]),
    ("state", &["status"]),
    ("source", &[]),
    ("based_on", &[]),
    ("link_to_learning", &[]),
    ("form", &["type", "event_type"]),
    ("start", &["date", "starts", "start_date"]),
    ("end", &["end_date", "ends"]),
    ("place", &["location", "venue"]),
    ("link", &["url", "website"]),
    ("host", &["organiser", "organizer"]),
    ("capacity", &["places"]),
    ("resource_type", &["type"]),
    ("time_required", &["duration"]),
    ("focus", &[]),
    ("question", &[]),
    ("citation", &["doi"]),
    ("method", &[]),
    ("context", &[]),
    ("finding", &["findings"]),
    ("limits", &["limitations"]),
    ("evidence", &["strength_of_evidence"]),
    ("cost", &[]),
    ("week", &[]),
    ("records", &["items", "contents"]),
    ("about", &["in_reply_to"]),
    ("baseline", &["before"]),
    ("result", &["after"]),
    ("would_use_again", &[]),
    ("name", &[]),
    ("role", &[]),
    ("topic", &[]),
    ("minutes", &[]),
];

/// Whether a key means a field of some kind.
pub(super) fn is_known(key: &str) -> bool {
    let key = normal(key);
    key == "body" || KEYS.iter().any(|(field, _)| keys_of(field).any(|known| known == key))
}

/// Keys as they are compared.
pub(super) fn normal(key: &str) -> String {
    key.trim().to_lowercase().replace(['-', ' '], "_")
}

/// The keys that mean a field, its own name first.
fn keys_of(field: &str) -> impl Iterator<Item = &str> {
    let others = KEYS.iter().find(|(name, _)| *name == field).map_or(&[][..], |(_, keys)| keys);
    std::iter::once(field).chain(others.iter().copied())
}

/// What front matter says, to be taken key by key.
pub(super) struct Said {
    /// Normal key → the key as written and its value.
    keys: BTreeMap<String, (String, Json)>,
    /// Keys that are the same but for their spelling.
    doubles: Vec<(String, Json)>,
}

impl Said {
    pub(super) fn new(map: Map<String, Json>) -> Self {
        let mut said = Self { keys: BTreeMap::new(), doubles: Vec::new() };
        for (key, json) in map {
            match said.keys.entry(normal(&key)) {
                Entry::Vacant(free) => drop(free.insert((key, json))),
                Entry::Occupied(_) => said.doubles.push((key, json)),
            }
        }
        said
    }

    /// The kind that it names or looks like: what names one, what is laid out as an event, what has a
    /// date and either a place or an end; else a resource.
    pub(super) fn kind(&self) -> &'static Kind {
        let word = |key: &str| self.keys.get(key).and_then(|(_, json)| json.as_str()).map(str::to_lowercase);
        let named = word("kind").and_then(|name| published_kind(&name));
        let says = |field: &str| keys_of(field).any(|key| self.keys.get(key).is_some_and(|(_, json)| is_said(json)));
        let name = match named {
            Some(kind) => return kind,
            None if word("layout").as_deref() == Some("event") => "event",
            None if says("start") && (says("place") || says("end")) => "event",
            None => "resource",
        };
        Kind::named(name).unwrap_or(kind::KINDS[0])
    }

    /// Puts every key into its field or under `extra`.
    pub(super) fn fill(mut self, reading: &mut Reading<'_>) {
        let kind = reading.kind;
        if let Some((key, json)) = self.keys.remove("kind") {
            let known = json.as_str().is_some_and(|name| published_kind(name).is_some());
            if !known {
                let label = kind.label.to_lowercase();
                let warning = format!("{key}: {json} is not a kind that can be published, so it is read as a {label}");
                reading.warnings.push(warning);
                reading.keep(&key, &json);
            }
        }
        self.switches(reading);
        let mut links = Vec::new();
        for field in kind.fields().filter(|field| takes_a_key(field)) {
            if let Some((key, json)) = self.take(field) {
                let plain = plain(field, &json);
                if reading.set(field, &key, &plain.json) {
                    links.extend(plain.link.map(|link| (key, json, link)));
                }
            }
        }
        for (key, json, link) in links {
            if reading.kind.field("link").is_some() && !reading.fields.contains_key("link") {
                reading.fields.insert("link".to_owned(), Value::Line(link));
            } else {
                reading.keep(&key, &json);
            }
        }
        for (key, json) in self.keys.into_values().chain(self.doubles) {
            reading.keep(&key, &json);
        }
    }

    /// The first key of a field that says something.
    fn take(&mut self, field: &Field) -> Option<(String, Json)> {
        let key = keys_of(field.name).find(|key| self.keys.get(*key).is_some_and(|(_, json)| is_said(json)))?;
        self.keys.remove(key)
    }

    /// `cancelled: true`, `draft: true` and `published: false` are states.
    fn switches(&mut self, reading: &mut Reading<'_>) {
        for (key, on, state) in [
            ("draft", true, "draft"),
            ("published", false, "draft"),
            ("draft", true, "tentative"),
            ("published", false, "tentative"),
            ("canceled", true, "cancelled"),
            ("cancelled", true, "cancelled"),
        ] {
            if !reading.kind.states.contains(&state) {
                continue;
            }
            let Some(is_on) = self.keys.get(key).and_then(|(_, json)| switch(json)) else { continue };
            self.keys.remove(key);
            if is_on == on {
                reading.fields.insert("state".to_owned(), Value::Line(state.to_owned()));
                // What else it says of its state does not count any more.
                let others = [self.keys.remove("state"), self.keys.remove("status")];
                others.into_iter().flatten().for_each(|(key, json)| reading.keep(&key, &json));
            }
        }
    }
}

/// Text comes from the body, attachments from the folder; what is left over goes to `extra` by itself.
fn takes_a_key(field: &Field) -> bool {
    !matches!(field.field_type, FieldType::Text | FieldType::Blobs)
}

fn is_said(json: &Json) -> bool {
    match json {
        Json::Null => false,
        Json::String(text) => !text.trim().is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => true,
    }
}

fn switch(json: &Json) -> Option<bool> {
    match json {
        Json::Bool(on) => Some(*on),
        Json::String(word) => match word.trim().to_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

struct Plain {
    json: Json,
    link: Option<String>,
}

/// Lines without HTML, without space around them.
fn plain(field: &Field, json: &Json) -> Plain {
    match json {
        Json::String(text) => {
            let (text, link) = html::plain(text);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            match (field.field_type, link) {
                (FieldType::Link, Some(link)) => Plain { json: Json::from(link), link: None },
                (FieldType::Link, None) => {
                    Plain { json: Json::from(text.trim_start_matches('<').trim_end_matches('>')), link: None }
                }
                (_, link) => Plain { json: Json::from(text), link },
            }
        }
        Json::Array(items) => {
            let plains: Vec<Plain> = items.iter().map(|item| plain(field, item)).collect();
            let link = plains.iter().find_map(|plain| plain.link.clone());
            Plain { json: plains.into_iter().map(|plain| plain.json).collect(), link }
        }
        other => Plain { json: other.clone(), link: None },
    }
}

/// An event's state by what is known of it: without a date it is tentative.
pub(super) fn settle_state(reading: &mut Reading<'_>) {
    let kind = reading.kind;
    let state = reading.fields.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    let dated = reading.fields.get("start").and_then(Value::as_str).and_then(date::to_utc_rfc3339).is_some();
    let settled = match (kind.name, state.as_str()) {
        ("event", "" | "confirmed") if !dated => {
            if !state.is_empty() {
                reading.warnings.push("it has no date that can be read, so it is tentative".to_owned());
            }
            Some("tentative")
        }
        (_, "") => kind.shared_state,
        _ => None,
    };
    if let Some(settled) = settled {
        reading.fields.insert("state".to_owned(), Value::Line(settled.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_means_a_field_that_exists() {
        for (field, keys) in KEYS {
            assert!(kind::KINDS.iter().any(|kind| kind.field(field).is_some()), "{field}");
            assert!(keys.iter().all(|key| normal(key) == *key), "{field}");
        }
    }

    #[test]
    fn no_field_takes_a_key_that_is_another_field_of_its_kind() {
        for kind in Kind::made_by_people() {
            for field in kind.fields() {
                assert!(
                    keys_of(field.name).skip(1).all(|key| kind.field(key).is_none()),
                    "{} {}",
                    kind.name,
                    field.name
                );
            }
        }
    }

    #[test]
    fn the_guide_shows_every_key() {
        let guide = include_str!("../../../docs/guide/publishing.md");
        for (field, keys) in KEYS {
            for key in std::iter::once(field).chain(*keys) {
                assert!(guide.contains(&format!("`{key}`")), "{key} is missing in the guide");
            }
        }
    }
}
