//! Records on their way into a space: what `publish` and `import` share.
//!
//! A batch is one request, and all of it durable when it is answered. Each record is then told in
//! the order in which it was read; what was refused is told in its place and holds up nothing.

use std::path::PathBuf;

use serde::Serialize;
use staffroom_node::api::{Answer, Code, Done as Outcomes, Failure, Imported, Named, NewRecord, Outcome, Request};
use staffroom_node::exchange::import::Found;
use staffroom_node::exchange::{Draft, Refusal};
use staffroom_protocol::id::{RecordId, SchoolId, SpaceId};
use staffroom_protocol::record::field::Value;

use crate::client::Client;
use crate::failure::{Done, Ended, unexpected};
use crate::output::{Output, and, count, one_line, some};
use crate::record::short;

/// How many refused records are listed for people.
const LISTED: usize = 20;

/// Where records go, and who can see them there.
pub(crate) struct Destination {
    /// The space.
    pub(crate) space: Named<SpaceId>,
    /// Whether it is the school's own.
    pub(crate) own: bool,
    /// The schools that belong to it.
    pub(crate) schools: Vec<Named<SchoolId>>,
}

impl Destination {
    /// What `--to` means; where nothing is said, the only cluster, or the school's own space.
    pub(crate) fn resolve(client: &mut Client, to: Option<&str>) -> Done<Self> {
        // Saving nothing says where something would go.
        let Answer::Saved { space, .. } =
            client.ask(Request::Save { to: to.map(str::to_owned), records: Vec::new() })?
        else {
            return Err(unexpected().into());
        };
        let Answer::Status(status) = client.ask(Request::Status)? else { return Err(unexpected().into()) };
        let Answer::Clusters(clusters) = client.ask(Request::Clusters)? else { return Err(unexpected().into()) };
        let own = !clusters.iter().any(|cluster| cluster.id == space.id);
        let members = status.spaces.iter().find(|s| s.id == space.id).map(|s| s.members.clone()).unwrap_or_default();
        Ok(Self { space, own, schools: members.into_iter().map(|member| member.school).collect() })
    }
    /// The id, as requests name it: a name may be another cluster's tomorrow.
    pub(crate) fn to(&self) -> String {
        if self.own { "school".to_owned() } else { self.space.id.to_string() }
    }
    /// Its name in a sentence.
    pub(crate) fn name(&self) -> String {
        if self.own { "your school's own space".to_owned() } else { self.space.name.clone() }
    }
    /// Who can see what is there, as a sentence.
    pub(crate) fn seen_by(&self) -> String {
        let names: Vec<String> = self.schools.iter().map(|school| one_line(&school.name)).collect();
        match &names[..] {
            [] => "Nobody can see it yet.".to_owned(),
            [one] if self.own => format!("Only {one} can see it."),
            [one] => format!("{one} can see it; no other school has joined yet."),
            several => format!("{} can see it.", and(several)),
        }
    }
}

/// One thing that was read.
pub(crate) enum Item {
    /// To be saved.
    Record(NewRecord, Vec<String>),
    /// To be saved, known by more than its source.
    Imported(Box<Imported>, Vec<String>),
    /// Refused before the node saw it.
    Refused(Outcome),
}

impl Item {
    /// A draft that was read.
    pub(crate) fn of(draft: Draft, author: &str, open: Option<bool>) -> Self {
        let warnings = draft.warnings;
        let record = NewRecord { kind: draft.kind, fields: draft.fields, author: author.to_owned(), open };
        Self::Record(record, warnings)
    }
    /// A record that was read from a file of records; without a `source` or an origin, what it says is
    /// what it is known by.
    pub(crate) fn found(found: Found, author: &str) -> Self {
        let Found { mut draft, origin, only_known } = found;
        if origin.is_none() && draft.source().is_empty() {
            let source = source_of_line(&draft);
            draft.fields.insert("source".to_owned(), Value::Line(source));
        }
        match Self::of(draft, author, origin.and_then(|origin| origin.open)) {
            Self::Record(record, warnings) if only_known || origin.is_some() => {
                let origin = origin.map(|origin| origin.id);
                Self::Imported(Box::new(Imported { record, origin, only_known }), warnings)
            }
            other => other,
        }
    }
    /// Something that could not be read.
    pub(crate) fn unreadable(refusal: &Refusal, title: &str) -> Self {
        let told = [refusal.to_string()].into_iter().chain(refusal.hints.iter().cloned());
        Self::Refused(refused("", title, told.collect::<Vec<_>>().join(". ")))
    }
}

/// What becomes of what is refused.
pub(crate) fn refused(kind: &str, title: &str, reason: String) -> Outcome {
    Outcome {
        id: None,
        kind: kind.to_owned(),
        title: title.to_owned(),
        outcome: Outcomes::Refused,
        reason: Some(reason),
        warnings: Vec::new(),
    }
}

/// How many of each.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Totals {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) refused: u64,
}

impl Totals {
    fn add(&mut self, outcome: Outcomes) {
        *match outcome {
            Outcomes::Created => &mut self.created,
            Outcomes::Updated => &mut self.updated,
            Outcomes::Unchanged => &mut self.unchanged,
            Outcomes::Refused => &mut self.refused,
        } += 1;
    }
    /// How many were taken.
    pub(crate) fn taken(self) -> u64 {
        self.created + self.updated + self.unchanged
    }
}

/// Sends batches and tells what became of each record.
pub(crate) struct Saver<'a> {
    pub(crate) client: Client,
    pub(crate) to: Destination,
    pub(crate) out: &'a Output,
    pub(crate) totals: Totals,
    /// The first of those that were refused.
    refused: Vec<Outcome>,
    /// What was told beside the records: record, warning. The first of them.
    warned: Vec<(String, String)>,
    warnings: u64,
    /// The last that was taken, for a sentence about it.
    pub(crate) last: Option<Outcome>,
    /// What the records of an export became: the id there, and the one here of what was taken.
    pub(crate) became: Vec<(RecordId, Option<RecordId>)>,
}

impl<'a> Saver<'a> {
    /// Into this space.
    pub(crate) fn new(client: Client, to: Destination, out: &'a Output) -> Self {
        let (refused, warned) = (Vec::new(), Vec::new());
        let became = Vec::new();
        Self { client, to, out, totals: Totals::default(), refused, warned, warnings: 0, last: None, became }
    }
    /// Saves a batch; everything in it is durable, or refused, when this returns.
    pub(crate) fn save(&mut self, items: Vec<Item>) -> Done {
        let mut records = Vec::with_capacity(items.len());
        let mut places = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Record(record, warnings) => {
                    records.push(Imported { record, origin: None, only_known: false });
                    places.push(Err((warnings, None)));
                }
                Item::Imported(record, warnings) => {
                    places.push(Err((warnings, record.origin)));
                    records.push(*record);
                }
                Item::Refused(outcome) => places.push(Ok(outcome)),
            }
        }
        let mut outcomes = Vec::new().into_iter();
        if !records.is_empty() {
            let answer = self.client.ask(Request::Import { to: Some(self.to.to()), records });
            let answer = answer.map_err(|failure| self.told_so_far(failure))?;
            let Answer::Saved { outcomes: saved, .. } = answer else { return Err(unexpected().into()) };
            outcomes = saved.into_iter();
        }
        for place in places {
            let outcome = match place {
                Ok(refused) => refused,
                Err((mut warnings, origin)) => {
                    let saved = outcomes.next().ok_or_else(unexpected)?;
                    let taken = saved.id.filter(|_| saved.outcome != Outcomes::Refused);
                    self.became.extend(origin.map(|origin| (origin, taken)));
                    // What is of use only to who knows it, and is not known here.
                    if saved.outcome == Outcomes::Unchanged && saved.id.is_none() {
                        continue;
                    }
                    warnings.extend(saved.warnings);
                    Outcome { warnings, ..saved }
                }
            };
            self.tell(outcome)?;
        }
        Ok(())
    }

    /// Saves the only record there is, and tells the sums like a longer list.
    pub(crate) fn one(&mut self, item: Item) -> Done {
        self.save(vec![item])?;
        self.finish(self.sentence())
    }
    /// Saves one record that was made by hand: one document as JSON, and what is refused is the failure.
    pub(crate) fn made(&mut self, item: Item) -> Done {
        self.save(vec![item])?;
        if let Some(refused) = self.refused.pop() {
            return Err(Failure::new(Code::Refused, refused.reason.unwrap_or_default()).into());
        }
        self.out.remark(&self.sentence().unwrap_or_default())
    }

    fn tell(&mut self, outcome: Outcome) -> Done {
        self.totals.add(outcome.outcome);
        self.out.json(&outcome)?;
        for warning in &outcome.warnings {
            self.warnings += 1;
            if self.warned.len() < LISTED {
                self.warned.push((outcome.title.clone(), warning.clone()));
            }
        }
        if outcome.outcome == Outcomes::Refused {
            if self.refused.len() < LISTED {
                self.refused.push(outcome);
            }
        } else {
            self.last = Some(outcome);
        }
        Ok(())
    }

    /// A failure in the middle says what is saved already.
    fn told_so_far(&self, failure: Failure) -> Failure {
        match self.totals.taken() {
            0 => failure,
            taken => failure.hint(format!(
                "{} before that {} saved; the same command again takes up where this one stopped",
                some(taken, "record", "records"),
                if taken == 1 { "is" } else { "are" }
            )),
        }
    }

    /// Lists warnings and refusals, tells the sums, and ends as they say: 0, 8 in part, 1 where nothing was taken.
    pub(crate) fn finish(&self, sentence: Option<String>) -> Done {
        self.out.json(&self.totals)?;
        self.list(&self.warned, self.warnings, "warning");
        let line = |outcome: &Outcome| (outcome.title.clone(), outcome.reason.clone().unwrap_or_default());
        self.list(&self.refused.iter().map(line).collect::<Vec<_>>(), self.totals.refused, "refused");
        if let Some(sentence) = sentence {
            self.out.remark(&sentence)?;
        }
        match (self.totals.taken(), self.totals.refused) {
            (_, 0) => Ok(()),
            (0, _) => Err(Ended::With(1)),
            _ => Err(Ended::With(8)),
        }
    }

    fn list(&self, lines: &[(String, String)], all: u64, what: &str) {
        for (title, text) in lines {
            let named = if title.is_empty() || text.starts_with(title) { String::new() } else { format!("{title}: ") };
            self.out.note(&format!("{what}: {}", one_line(&format!("{named}{text}"))));
        }
        let listed = u64::try_from(lines.len()).unwrap_or(all);
        if all > listed {
            self.out.note(&format!("{what}: and {} more", count(all - listed)));
        }
    }

    /// "created 3, updated 0, unchanged 1, refused 0, in The Brook Cluster. A, B and C can see it."
    pub(crate) fn summary(&self) -> String {
        let Totals { created, updated, unchanged, refused } = self.totals;
        let sums = format!("created {created}, updated {updated}, unchanged {unchanged}, refused {refused}");
        format!("{sums}, in {}. {}", one_line(&self.to.name()), self.to.seen_by())
    }
    /// A sentence about the one record that was taken.
    pub(crate) fn sentence(&self) -> Option<String> {
        let outcome = self.last.as_ref()?;
        let id = outcome.id.map(|id| short(&id)).unwrap_or_default();
        let (title, place) = (one_line(&outcome.title), one_line(&self.to.name()));
        Some(match outcome.outcome {
            Outcomes::Created => format!("Shared \"{title}\" as {id}, in {place}. {}", self.to.seen_by()),
            Outcomes::Updated => format!("Brought \"{title}\" ({id}) up to date, in {place}. {}", self.to.seen_by()),
            _ => format!("\"{title}\" ({id}) is unchanged, in {place}. {}", self.to.seen_by()),
        })
    }
}

/// The `source` of a single file that is published: its path as it was given, relative to the current
/// folder, without `./`; of an absolute path, or of one that climbs out with `..`, the last two names.
///
/// A bare name would make two files `plan.md` of two folders one record; the whole absolute path would
/// tell partners how our disk is laid out.
fn source_of(path: &std::path::Path) -> String {
    use std::path::Component;
    let names: Vec<String> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(one_line(&name.to_string_lossy())),
            _ => None,
        })
        .collect();
    let outside = path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
    let from = if outside { names.len().saturating_sub(2) } else { 0 };
    names[from..].join("/")
}

/// The `source` of a file that was given by itself, or of one `under` a folder that was given: so two
/// folders `week1` of two subjects do not share their records.
pub(crate) fn source_under(given: &std::path::Path, under: Option<&str>) -> String {
    let base = source_of(given);
    match under {
        Some(under) if base.is_empty() => under.to_owned(),
        Some(under) => format!("{base}/{under}"),
        None => base,
    }
}

/// The `source` of an imported line that names none: a hash of what it says, so that the same line
/// imported again is the same record.
pub(crate) fn source_of_line(draft: &Draft) -> String {
    let fields = staffroom_node::exchange::json::fields_to_json(&draft.fields);
    // A map of JSON with keys in order: the same fields give the same text.
    let text = serde_json::json!({ "kind": draft.kind, "fields": fields }).to_string();
    let hash = blake3::hash(text.as_bytes());
    format!("import:{}", staffroom_protocol::id::to_text(&hash.as_bytes()[..15]))
}

/// A path for messages.
pub(crate) fn shown(path: &std::path::Path) -> String {
    PathBuf::from(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn files_of_one_name_in_two_folders_are_two_sources() {
        let source = |path: &str| source_of(Path::new(path));
        assert_eq!(source("plan.md"), "plan.md");
        assert_eq!(source("./maths/plan.md"), "maths/plan.md");
        assert_eq!(source("/home/b/maths/plan.md"), "maths/plan.md");
        assert_eq!(source("../music/plan.md"), "music/plan.md");
        assert_eq!(source("a/b/c/plan.md"), "a/b/c/plan.md");
        assert_eq!(source_under(Path::new("maths/week1"), Some("mon/plan.md")), "maths/week1/mon/plan.md");
        assert_eq!(source_under(Path::new("/home/b/music/week1/"), Some("plan.md")), "music/week1/plan.md");
        assert_eq!(source_under(Path::new("."), Some("plan.md")), "plan.md");
    }
}
