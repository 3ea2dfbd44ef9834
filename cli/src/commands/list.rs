//! `share list`: records, the last changed first.

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use staffroom_node::api::{Answer, Code, Failure, Filter, Request, Summary};
use staffroom_node::exchange::date;
use staffroom_protocol::record::kind::{self, KINDS, Kind};

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, unexpected, usage};
use crate::output::{count, one_line, width};
use crate::record::{self, telling_letters};
use crate::when;

/// How many records people are shown unless they say otherwise.
const USUAL: usize = 30;

/// List records, newest first
#[derive(Args)]
#[command(
    after_help = "Examples:\n  share list --kind event\n  share list --subject Maths --key-stage KS3 --since 2025-09-01\n  \
    share list --school \"Northgate Academy\" --limit 100 --json"
)]
pub(crate) struct List {
    #[command(flatten)]
    filters: Filters,
    /// At most so many; people are shown 30 unless they say otherwise
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Which records.
#[derive(Args)]
pub(crate) struct Filters {
    /// Only of this kind: resource, note, event, idea, tip, collection, comment, tried, sign-up, school
    #[arg(long)]
    kind: Option<String>,
    /// Only of this school: its name or the start of its id
    #[arg(long)]
    school: Option<String>,
    /// Only with this subject
    #[arg(long)]
    subject: Option<String>,
    /// Only for this key stage
    #[arg(long)]
    key_stage: Option<String>,
    /// Only with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only changed since this date
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// Only in this cluster; `school` is our own space
    #[arg(long)]
    cluster: Option<String>,
    /// Only of our own school
    #[arg(long)]
    mine: bool,
    /// Only what is hidden at our school
    #[arg(long)]
    hidden: bool,
}

impl List {
    pub(super) fn run(&self, context: &Context) -> Done {
        let mut filter = Filter { limit: self.limit, ..self.filters.filter(context)? };
        let counted = Filter { limit: None, ..filter.clone() };
        if !context.out.json {
            filter.limit = Some(self.limit.unwrap_or(USUAL));
        }
        let full = filter.limit;
        let mut client = context.client()?;
        let Answer::List(records) = client.ask(Request::List(filter))? else { return Err(unexpected().into()) };
        if records.is_empty() && self.limit != Some(0) {
            self.filters.check_words(&mut client)?;
        }
        if context.out.json {
            return context.out.json(&records.iter().map(record::json).collect::<Vec<_>>());
        }
        if records.is_empty() {
            return context.out.remark("No records.");
        }
        let shown = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let total = if full == Some(records.len()) { total(&mut client, counted)? } else { shown };
        let mut ids: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
        let letters = telling_letters(&mut ids, total);
        context.out.say(&table(&records, letters))?;
        if total > shown {
            let more = count(total - shown);
            context.out.remark(&format!("\n{more} more: --limit N shows more of them, filters find fewer"))?;
        }
        Ok(())
    }
}

impl Filters {
    /// As the node is asked.
    pub(crate) fn filter(&self, context: &Context) -> Done<Filter> {
        let since = match &self.since {
            None => None,
            Some(text) => {
                let read = date::read(text, &context.zone()?).and_then(|line| when::millis_of(&line));
                let wrong =
                    || usage(format!("{text:?} is not a date")).hint("write it as 2025-09-01, or 1 September 2025");
                Some(read.ok_or_else(wrong)?)
            }
        };
        Ok(Filter {
            space: self.cluster.clone(),
            kind: self.kind.clone(),
            school: self.school.clone(),
            subject: self.subject.clone(),
            key_stage: self.key_stage.clone(),
            tag: self.tag.clone(),
            since,
            mine: self.mine,
            hidden: self.hidden,
            limit: None,
        })
    }

    /// Where nothing was found: whether a word is one that cannot find anything.
    pub(crate) fn check_words(&self, client: &mut Client) -> Done {
        if let Some(kind) = self.kind.as_deref().filter(|kind| Kind::named(kind).is_none()) {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            let failure = usage(format!("there are no records of the kind {kind:?}"));
            return Err(failure.hint(format!("kinds are {}", names.join(", "))).into());
        }
        let Some(asked) = &self.school else { return Ok(()) };
        let Answer::Status(status) = client.ask(Request::Status)? else { return Err(unexpected().into()) };
        let mut names: Vec<String> = Vec::new();
        for member in status.spaces.iter().flat_map(|space| &space.members) {
            let is = member.school.name.to_lowercase() == asked.to_lowercase();
            if is || member.school.id.to_string().starts_with(&asked.to_lowercase()) {
                return Ok(());
            }
            if !names.contains(&member.school.name) {
                names.push(member.school.name.clone());
            }
        }
        let failure = Failure::new(Code::NotFound, format!("no school called {asked:?} is known here"));
        Err(failure.hint(format!("known are {}", names.join(", "))).into())
    }
}

fn total(client: &mut Client, filter: Filter) -> Done<u64> {
    match client.ask(Request::Count(filter))? {
        Answer::Count(count) => Ok(count),
        _ => Err(unexpected().into()),
    }
}

fn table(records: &[Summary], letters: usize) -> String {
    let now = when::now();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    // What is left of the line for titles and schools, once the narrow columns have their letters.
    let room = width().saturating_sub(letters + 8 + 15 + 8);
    let (title_room, school_room) = (room * 2 / 3, room / 3);
    table.set_header(["ID", "KIND", "TITLE", "SCHOOL", "CHANGED"]);
    for record in records {
        let id = record.id.to_string();
        table.add_row([
            id[..letters].to_owned(),
            one_line(&record.kind),
            titled(record, title_room),
            cut(&record.school.name, school_room),
            when::changed(record.updated, &now),
        ]);
    }
    let text = table.to_string();
    text.lines().map(|line| line.trim_end().trim_start_matches(' ')).collect::<Vec<_>>().join("\n")
}

/// The title, with the state where that is one to know before opening it.
fn titled(record: &Summary, room: usize) -> String {
    let state = record::line(record, "state");
    let marks = ["draft", "scheduled", "cancelled", "superseded"].contains(&state) || kind::is_taken_back(state);
    let mark = if marks { format!(" ({state})") } else { String::new() };
    cut(record::line(record, "title"), room.saturating_sub(mark.len())) + &mark
}

/// A text on one line, shortened where it does not fit.
fn cut(text: &str, room: usize) -> String {
    let line = one_line(text);
    if line.chars().count() <= room {
        return line;
    }
    let mut start: String = line.chars().take(room.saturating_sub(1)).collect();
    start.truncate(start.trim_end().len());
    start.push('…');
    start
}
