//! A copy to change: what of a record goes into it, what has to be said of where it came from.
//!
//! The copy names the original (`based_on`) and carries its attribution as the licences ask for it:
//! title, author, source, licence; a line for each record that it descends from, the nearest first.

use super::field::{Fields, Value};
use super::kind::{self, Kind, OWN_STATES};
use super::licence::{Conditions, Licence};
use crate::id::RecordId;

/// A record as it is about to be adapted.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// Its id.
    pub id: RecordId,
    /// The name of its kind.
    pub kind: &'a str,
    /// What it holds.
    pub fields: &'a Fields,
    /// The name of the school that shared it.
    pub school: &'a str,
}

/// A copy to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adaptation {
    /// What it begins with.
    pub fields: Fields,
    /// What whoever shares it should know, a sentence each.
    pub warnings: Vec<String>,
}

/// Why a record is not adapted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdapted {
    /// Its licence forbids it.
    #[error("its licence, {licence}, lets nobody share a changed copy (ND: no derivatives)")]
    NoDerivatives {
        /// The licence.
        licence: String,
    },
    /// It is what somebody said or did, or a kind that is not known here.
    #[error("a {0} is not something to adapt")]
    NotThat(String),
}

/// The copy of a record, to be changed in our own space or in one that others see.
pub fn adapt(original: Original<'_>, own: bool) -> Result<Adaptation, NotAdapted> {
    let not_that = || NotAdapted::NotThat(original.kind.to_owned());
    let kind = Kind::named(original.kind).ok_or_else(not_that)?;
    // Comments and the like are somebody's own words; a profile is a school's.
    if kind.needs.contains(&"about") || kind.states.is_empty() {
        return Err(not_that());
    }
    let line = |name: &str| original.fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let warnings = match Licence::read(line("licence")) {
        Licence::Known(Conditions { no_derivatives: true, .. }) => {
            return Err(NotAdapted::NoDerivatives { licence: line("licence").to_owned() });
        }
        known => warnings(known, line("licence"), original.school),
    };
    // The copy is ours: it did not come from there a second time. What a newer program knows stays behind.
    let goes_along = |name: &str| name != "source" && kind.field(name).is_some();
    let mut fields = original.fields.clone();
    fields.retain(|name, _| goes_along(name));
    let state = kind.states.iter().find(|state| own || !OWN_STATES.contains(state));
    fields.extend(state.map(|state| ("state".to_owned(), Value::Line((*state).to_owned()))));
    fields.insert("based_on".to_owned(), Value::Line(original.id.to_string()));
    fields.insert("attribution".to_owned(), Value::Text(attribution(&original)));
    Ok(Adaptation { fields, warnings })
}

/// The fields of a draft as a new record of a cluster: no longer a draft; from the same source, or from
/// the draft itself, so that it is not shared twice.
pub fn from_draft(draft: RecordId, kind: &str, mut fields: Fields) -> Fields {
    let state = fields.get("state").and_then(Value::as_str).unwrap_or_default();
    if state.is_empty() || OWN_STATES.contains(&state) {
        let shared = Kind::named(kind).and_then(|kind| kind.shared_state);
        fields.insert("state".to_owned(), Value::Line(shared.unwrap_or_default().to_owned()));
    }
    fields.remove("kind");
    fields.entry("source".to_owned()).or_insert_with(|| Value::Line(format!("draft:{draft}")));
    fields.retain(|_, value| !value.is_empty());
    fields
}

/// Title, author, source, licence of a record, then of what it was adapted from itself.
fn attribution(original: &Original<'_>) -> String {
    let line = |name: &str| original.fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let title = kind::title(original.kind, original.fields);
    let authors = original.fields.get("authors").map(Value::members).unwrap_or_default();
    let by = match authors {
        [] => original.school.to_owned(),
        authors => format!("{}, {}", authors.join(", "), original.school),
    };
    let id = original.id.to_string();
    let source = match line("source") {
        web if web.starts_with("https://") || web.starts_with("http://") => format!("{web}, record {id}"),
        _ => format!("record {id}"),
    };
    let licence = match line("licence") {
        "" => "licence not stated",
        licence => licence,
    };
    let first = format!("\"{title}\" by {by} ({source}), {licence}");
    match line("attribution").trim_end() {
        "" => first,
        earlier => format!("{first}\n{earlier}"),
    }
}

fn warnings(licence: Licence, line: &str, school: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    match licence {
        Licence::NotStated => {
            warnings.push(format!("its licence is not stated: ask {school} before you share what you make of it"));
        }
        Licence::Unknown => {
            warnings.push(format!("its licence, {line}, is not one that can be read here: read it before you share"));
        }
        Licence::Known(conditions) => {
            if conditions.non_commercial {
                warnings.push(format!("its licence, {line}, allows no commercial use (NC): nor may your copy"));
            }
            if conditions.share_alike {
                warnings.push(format!("its licence, {line}, asks that your copy has the same licence (SA)"));
            }
        }
    }
    warnings
}
