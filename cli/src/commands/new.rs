//! `share new`: a record, field by field.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use staffroom_node::api::{Code, Failure, NewRecord};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::kind::{Kind, check};

use super::Editors;
use crate::batch::{Destination, Item, Saver};
use crate::context::Context;
use crate::failure::{Done, usage};
use crate::fields::{self, Given};
use crate::output::one_line;
use crate::{editor, when};

/// The kinds that people make; a school's profile is made at set-up.
const KINDS: &[&str] = &["resource", "note", "event"];

/// What was given. Its flags follow from the kinds' declarations, so it is parsed by hand.
pub(crate) struct New {
    kind: &'static Kind,
    given: Given,
    to: Option<String>,
    editable_by: Option<Editors>,
    author: Option<String>,
}

fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter_map(|name| Kind::named(name))
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
        kinds().fold(command, |command, kind| command.subcommand(of_kind(kind)))
    }
    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn of_kind(kind: &'static Kind) -> Command {
    let example = match kind.name {
        "event" => "share new event --title \"TeachMeet at Hillside\" --start \"24 June 2025 16:00\"",
        "note" => {
            "share new note --title \"Exit tickets\" --finding \"They show who is lost\" --evidence \"one trial\""
        }
        _ => "share new resource --title \"Fractions, a warm-up\" --subject Mathematics --body warm-up.md",
    };
    Command::new(kind.name)
        .about(kind.help)
        .args(fields::flags(&[kind]))
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
        .after_help(format!("Example:\n  {example}"))
}

impl FromArgMatches for New {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let kind = Kind::named(name).ok_or_else(missing)?;
        Ok(Self {
            kind,
            given: fields::given(matches, &[kind]),
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
        let mut fields = if self.given.is_empty() {
            let example = format!(
                "share new {} --title \"…\"; share new {} --help lists its fields",
                self.kind.name, self.kind.name
            );
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
        let to = Destination::resolve(&mut client, self.to.as_deref())?;
        let state = fields.get("state").and_then(Value::as_str).unwrap_or_default();
        if !to.own && matches!(state, "draft" | "scheduled") {
            let message = format!(
                "it is a {state}, and {} is a cluster: drafts stay in the school's own space",
                one_line(&to.name())
            );
            return Err(Failure::new(Code::Refused, message).hint("--to school, or leave --state out").into());
        }
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
    check(kind, fields).map_err(|invalid| {
        let example = format!("share new {} --title \"…\"", kind.name);
        usage(invalid.to_string()).hint(example).into()
    })
}
