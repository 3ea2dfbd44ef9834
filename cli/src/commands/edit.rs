//! `share edit`: changes a record, field by field or in an editor.
//!
//! The change is made at the heads at which the record was read, so it never overwrites what came in
//! while a person was writing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use staffroom_node::api::{Answer, Code, Done as Outcomes, Failure, Request};
use staffroom_node::exchange::form;
use staffroom_protocol::record::field::{FieldType, Value};
use staffroom_protocol::record::kind::{KINDS, Kind};
use staffroom_protocol::record::{Fields, references};

use crate::attaching;
use crate::context::Context;
use crate::editor;
use crate::failure::{Done, unexpected, usage};
use crate::fields::{self, Given};
use crate::output::one_line;
use crate::record::short;

/// What was given. Its flags follow from the kinds' declarations, so it is parsed by hand.
pub(crate) struct Edit {
    id: String,
    given: Given,
    attach: Vec<PathBuf>,
    detach: Vec<String>,
    back_to: Option<String>,
    author: Option<String>,
}

impl Args for Edit {
    fn augment_args(command: Command) -> Command {
        command
            .about("Change a record, field by field; without values, in your editor")
            .arg(Arg::new("id").value_name("ID").required(true).help("Its id; the first letters will do"))
            .args(fields::flags(KINDS))
            .arg(attaching::flag())
            .arg(
                Arg::new("detach")
                    .long("detach")
                    .value_name("FILE")
                    .action(ArgAction::Append)
                    .help("A file to take out: its name, or the first letters of its id; may be repeated"),
            )
            .arg(
                Arg::new("back_to").long("back-to").value_name("VERSION").help(
                    "Give it the fields back that it had then, as a new change; share show ID --versions lists them",
                ),
            )
            .arg(
                Arg::new("as")
                    .long("as")
                    .value_name("NAME")
                    .help("The person whose name is written; without it the line `as` in share.toml"),
            )
            .after_help(
                "Examples:\n  share edit k3v9xq --title \"A better title\" --tag starter --tag fractions\n  \
                 share edit k3v9xq --body page.md\n  share edit k3v9xq --attach worksheet.pdf --detach old.pdf\n\n\
                 An empty value removes a field: --summary \"\". Words that are given replace the words of a set.",
            )
    }
    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Edit {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            id: matches.get_one::<String>("id").cloned().unwrap_or_default(),
            given: fields::given(matches, KINDS),
            attach: attaching::given(matches),
            detach: matches.get_many("detach").map(|all| all.cloned().collect()).unwrap_or_default(),
            back_to: matches.get_one::<String>("back_to").cloned(),
            author: matches.get_one::<String>("as").cloned(),
        })
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Edit {
    pub(super) fn run(&self, context: &Context) -> Done {
        let author = context.author(self.author.as_deref())?;
        if let Some(version) = &self.back_to {
            return self.bring_back(context, version.clone(), author);
        }
        let zone = context.zone()?;
        let Answer::Record(record) = context.client()?.ask(Request::Show { id: self.id.clone(), at: None })? else {
            return Err(unexpected().into());
        };
        let summary = &record.summary;
        let kind = Kind::named(&summary.kind).ok_or_else(|| {
            Failure::new(Code::Refused, format!("this version does not know the kind {:?}", summary.kind))
                .hint("a newer version of share can edit it")
        })?;
        let files = !(self.attach.is_empty() && self.detach.is_empty());
        let fields = if self.given.is_empty() && !files {
            let example = format!("share edit {} --title \"…\", or --body FILE", self.id);
            editor::edit(context, kind, &summary.fields, &example)?.map(|after| changes(kind, &summary.fields, &after))
        } else {
            Some(fields::values(kind, &self.given, &zone)?)
        };
        let mut fields = fields.unwrap_or_default();
        if files {
            let before = summary.fields.get(attaching::FIELD);
            let after = attaching::change(context, kind, before, &self.attach, &self.detach)?;
            fields.insert(attaching::FIELD.to_owned(), after);
        }
        let request = Request::Edit { id: summary.id.to_string(), fields, heads: Some(summary.heads.clone()), author };
        // The store is not held while a person writes in an editor.
        tell(context, request)
    }

    fn bring_back(&self, context: &Context, version: String, author: String) -> Done {
        if !(self.given.is_empty() && self.attach.is_empty() && self.detach.is_empty()) {
            let failure = usage("--back-to brings a whole version back, so no field can be given with it");
            return Err(failure.hint("bring it back first, then edit it").into());
        }
        tell(context, Request::BackTo { id: self.id.clone(), version, author })
    }
}

/// Asks for a change and says what became of it.
fn tell(context: &Context, request: Request) -> Done {
    let Answer::Edited(outcome) = context.client()?.ask(request)? else { return Err(unexpected().into()) };
    let out = &context.out;
    out.json(&outcome)?;
    let (title, id) = (one_line(&outcome.title), outcome.id.map(|id| short(&id)).unwrap_or_default());
    out.remark(&match outcome.outcome {
        Outcomes::Updated => format!("Changed \"{title}\" ({id})."),
        _ => format!("\"{title}\" ({id}) says that already; nothing changed."),
    })
}

/// What a form says otherwise than the record: a field that it no longer has is removed.
fn changes(kind: &'static Kind, before: &Fields, after: &Fields) -> Fields {
    let mut changes = Fields::new();
    for field in form::fields(kind) {
        let (was, is) = (before.get(field.name), after.get(field.name));
        if let (Some(Value::Extra(was)), Some(Value::Extra(is))) = (was, is)
            && references::read(was) == references::read(is)
        {
            continue;
        }
        match (was.filter(|value| !value.is_empty()), is) {
            (was, Some(is)) if was != Some(is) => drop(changes.insert(field.name.to_owned(), is.clone())),
            (Some(_), None) => drop(changes.insert(field.name.to_owned(), nothing(field.field_type))),
            _ => {}
        }
    }
    changes
}

fn nothing(field_type: FieldType) -> Value {
    match field_type {
        FieldType::Text => Value::Text(String::new()),
        FieldType::Set => Value::Set(Vec::new()),
        FieldType::References => Value::Extra(BTreeMap::new()),
        _ => Value::Line(String::new()),
    }
}
