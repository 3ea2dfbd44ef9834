//! `share new`: a record, field by field.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use staffroom_node::api::{Answer, NewRecord, Request};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::kind::{Kind, check};

use super::Editors;
use crate::attaching;
use crate::batch::{Destination, Item, Saver};
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, invalid, unexpected, usage};
use crate::fields::{self, Given};
use crate::{editor, when};

/// What was given. Its flags follow from the kinds' declarations, so it is parsed by hand.
pub(crate) struct New {
    kind: &'static Kind,
    given: Given,
    attach: Vec<PathBuf>,
    to: Option<String>,
    editable_by: Option<Editors>,
    author: Option<String>,
}

impl Args for New {
    fn augment_args(command: Command) -> Command {
        let command = command
            .about("Make a record, field by field; without values, in your editor")
            .subcommand_required(true)
            .subcommand_value_name("KIND")
            .subcommand_help_heading("Kinds")
            .after_help(
                "Examples:\n  share new event --title \"TeachMeet at Hillside\" --start \"24 June 2025 16:00\" --place Hall\n  \
                 share new note --help     lists the fields of a note",
            );
        Kind::made_by_people().fold(command, |command, kind| command.subcommand(of_kind(kind)))
    }
    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn of_kind(kind: &'static Kind) -> Command {
    Command::new(kind.name)
        .about(kind.help)
        .args(fields::flags(&[kind]))
        .args(attaching::takes_files(kind.name).then(attaching::flag))
        .arg(
            Arg::new("to")
                .long("to")
                .value_name("CLUSTER|school")
                .help("The cluster to share it in, or `school`: our own space"),
        )
        .arg(
            Arg::new("editable_by")
                .long("editable-by")
                .value_name("WHO")
                .value_parser(value_parser!(Editors))
                .help("Who may edit it"),
        )
        .arg(
            Arg::new("as")
                .long("as")
                .value_name("NAME")
                .help("The person whose name is written; without it the line `as` in share.toml"),
        )
        .after_help(format!("Example:\n  {}", example(kind)))
}

impl FromArgMatches for New {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let kind = Kind::named(name).ok_or_else(missing)?;
        Ok(Self {
            kind,
            given: fields::given(matches, &[kind]),
            attach: attaching::given(matches),
            to: matches.get_one::<String>("to").cloned(),
            editable_by: matches.get_one::<Editors>("editable_by").copied(),
            author: matches.get_one::<String>("as").cloned(),
        })
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl New {
    pub(super) fn run(&self, context: &Context) -> Done {
        let author = context.author(self.author.as_deref())?;
        let mut fields = if self.given.is_empty() && self.attach.is_empty() {
            let example = format!("{}; share new {} --help lists its fields", example(self.kind), self.kind.name);
            match editor::edit(context, self.kind, &Fields::new(), &example)? {
                Some(fields) => fields,
                None => return context.out.remark("Nothing was written, so nothing is shared."),
            }
        } else {
            fields::values(self.kind, &self.given, &context.zone()?)?
        };
        fields.retain(|_, value| !value.is_empty());
        settle(self.kind, &mut fields)?;
        let mut client = context.client()?;
        if !self.attach.is_empty() {
            let files = attaching::change(context, self.kind, None, &self.attach, &[])?;
            fields.insert(attaching::FIELD.to_owned(), files);
        }
        let beside = match &self.to {
            None => where_it_is_about(&mut client, &fields)?,
            Some(_) => None,
        };
        let to = Destination::resolve(&mut client, self.to.as_deref().or(beside.as_deref()))?;
        let open = Editors::open(self.editable_by);
        let record = NewRecord { kind: self.kind.name.to_owned(), fields, author, open };
        let mut saver = Saver::new(client, to, &context.out);
        saver.made(Item::Record(record, Vec::new()))
    }
}

/// The state of what says none, and the rules of its kind.
fn settle(kind: &'static Kind, fields: &mut Fields) -> Done {
    if !fields.contains_key("state") && !kind.states.is_empty() {
        let undated = kind.name == "event" && !fields.contains_key("start");
        let state = if undated { Some("tentative") } else { kind.shared_state };
        fields.extend(state.map(|state| ("state".to_owned(), Value::Line(state.to_owned()))));
    }
    let line = |name: &str| fields.get(name).and_then(Value::as_str).and_then(when::millis_of);
    if let (Some(start), Some(end)) = (line("start"), line("end"))
        && end < start
    {
        return Err(usage("it ends before it starts").hint("look at --start and --end").into());
    }
    check(kind, fields).map_err(|wrong| {
        let told = invalid(wrong);
        if told.hints.is_empty() { told.hint(example(kind)) } else { told }.into()
    })
}

/// What is about a record goes where that record is, unless somebody says otherwise.
fn where_it_is_about(client: &mut Client, fields: &Fields) -> Done<Option<String>> {
    let Some(id) = fields.get("about").and_then(Value::as_str) else { return Ok(None) };
    match client.ask(Request::Show { id: id.to_owned(), at: None })? {
        // Our own space has no name to be called by but this one.
        Answer::Record(record) if record.summary.space.name == "school" => Ok(Some("school".to_owned())),
        Answer::Record(record) => Ok(Some(record.summary.space.id.to_string())),
        _ => Err(unexpected().into()),
    }
}

/// The shortest command that makes one.
fn example(kind: &Kind) -> String {
    let flag = |name: &&str| match *name {
        "about" => " --about ID".to_owned(),
        "title" | "name" => format!(" --{name} \"…\""),
        _ => " --body \"…\"".to_owned(),
    };
    format!("share new {}{}", kind.name, kind.needs.iter().map(flag).collect::<String>())
}
