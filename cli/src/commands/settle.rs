//! `share settle`: ends a conflict.

use clap::Args;
use serde_json::{Value as Json, json};
use staffroom_node::api::{Alternative, Answer, Code, Done as Outcomes, Failure, History, Request};
use staffroom_node::exchange::json::value_to_json;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::kind::Kind;

use super::Author;
use crate::context::Context;
use crate::failure::{Done, Ended, unexpected, usage};
use crate::fields::{self, Given};
use crate::history::{label, shown, version_json, who};
use crate::output::one_line;
use crate::record::{short, title};
use crate::when;

/// End a conflict: choose between values that were written at the same time
#[derive(Args)]
#[command(
    after_help = "Examples:\n  share settle k3v9xq\n  share settle k3v9xq start\n  share settle k3v9xq start --take 2\n  \
    share settle k3v9xq start \"24 June 2026 4pm\"\n\n\
    Without a value, the values are listed with who wrote each; the exit code is 5 while they differ."
)]
pub(crate) struct Settle {
    /// The record's id; the first letters will do
    id: String,
    /// The field, such as title, state or start; without it, all that is in conflict is listed
    field: Option<String>,
    /// What is to stand: one of the values, or another
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
    /// The value with this number in the list
    #[arg(long, value_name = "NUMBER", conflicts_with = "value")]
    take: Option<usize>,
    #[command(flatten)]
    author: Author,
}

impl Settle {
    pub(super) fn run(&self, context: &Context) -> Done {
        let author = context.author(self.author.name.as_deref())?;
        let mut client = context.client()?;
        let Answer::History(history) = client.ask(Request::History { id: self.id.clone() })? else {
            return Err(unexpected().into());
        };
        let kind = Kind::named(&history.summary.kind);
        let Some(asked) = &self.field else { return list_all(context, &history) };
        let field = match asked.replace('-', "_") {
            body if body == "body" => kind.and_then(|kind| kind.body).map_or(body, str::to_owned),
            other => other,
        };
        let name = field.clone();
        if let Some(kind) = kind.filter(|kind| kind.field(&field).is_none()) {
            let names = history.conflicts.keys().map(|name| name.replace('_', "-")).collect::<Vec<_>>().join(", ");
            let failure = usage(format!("a {} has no field {asked:?}", kind.name));
            let hint = if names.is_empty() {
                "nothing of it is in conflict".to_owned()
            } else {
                format!("in conflict: {names}")
            };
            return Err(failure.hint(hint).into());
        }
        let alternatives = history.conflicts.get(&field).map(Vec::as_slice).unwrap_or_default();
        let value = match (&self.value, self.take) {
            (None, None) => {
                list_json(context, &history, &field, alternatives)?;
                return list(context, &history, &field, alternatives);
            }
            (None, Some(number)) => {
                let taken = number.checked_sub(1).and_then(|place| alternatives.get(place));
                taken.map(|taken| taken.value.clone()).ok_or_else(|| {
                    usage(format!("there is no value number {number} of {asked}"))
                        .hint(format!("share settle {} {asked} lists them", self.id))
                })?
            }
            (Some(text), _) => chosen(context, kind, &field, text, alternatives)?,
        };
        let request = Request::Settle { id: self.id.clone(), field, value: value.clone(), author };
        let Answer::Edited(outcome) = client.ask(request)? else { return Err(unexpected().into()) };
        context.out.json(&outcome)?;
        let (title, id) = (one_line(&title(&history.summary)), short(&history.summary.id));
        let told = format!("{}: {}", label(kind, &name), shown(kind, &name, &value));
        context.out.remark(&match outcome.outcome {
            Outcomes::Updated => format!("Settled \"{title}\" ({id}). {told}"),
            _ => format!("\"{title}\" ({id}) says that already; nothing changed."),
        })
    }
}

/// The value that a person typed: one of those in conflict as it stands there, or any that the field takes.
fn chosen(
    context: &Context,
    kind: Option<&'static Kind>,
    field: &str,
    text: &str,
    alternatives: &[Alternative],
) -> Done<Value> {
    let is = |value: &Value| match value {
        Value::Text(known) | Value::Line(known) => known == text,
        Value::Number(number) => number.to_string() == text,
        _ => false,
    };
    if let Some(known) = alternatives.iter().find(|known| is(&known.value)) {
        return Ok(known.value.clone());
    }
    let unknown = || {
        Failure::new(Code::Refused, format!("this version does not know the field {field:?}"))
            .hint("choose one of the values: --take NUMBER")
    };
    let known = kind.and_then(|kind| Some((kind, kind.field(field)?.name))).ok_or_else(unknown)?;
    let name = if known.0.body == Some(known.1) { "body" } else { known.1 };
    let given = Given::from([(name, vec![text.to_owned()])]);
    let values = fields::values(known.0, &given, &context.zone()?)?;
    Ok(values.get(field).cloned().ok_or_else(unknown)?)
}

/// Every field in conflict, with its values.
fn list_all(context: &Context, history: &History) -> Done {
    let kind = Kind::named(&history.summary.kind);
    let value = |field: &str, known: &Alternative| value_to_json(kind, field, &known.value);
    let values = |(field, all): (&String, &Vec<Alternative>)| {
        (field.clone(), all.iter().map(|known| value(field, known)).collect::<Json>())
    };
    let conflicts: Json = history.conflicts.iter().map(values).collect::<serde_json::Map<_, _>>().into();
    context.out.json(&json!({ "id": history.summary.id, "conflicts": conflicts }))?;
    if history.conflicts.is_empty() {
        return context.out.say("Nothing of it is in conflict.");
    }
    let mut ended = Ok(());
    for (field, alternatives) in &history.conflicts {
        ended = list(context, history, field, alternatives);
        if !matches!(ended, Ok(()) | Err(Ended::With(_))) {
            break;
        }
    }
    ended
}

fn list_json(context: &Context, history: &History, field: &str, alternatives: &[Alternative]) -> Done {
    let kind = Kind::named(&history.summary.kind);
    let value = |known: &Alternative| -> Json {
        let mut json = known.version.as_ref().map_or_else(|| json!({}), version_json);
        json["value"] = value_to_json(kind, field, &known.value);
        json
    };
    let values: Vec<Json> = alternatives.iter().map(value).collect();
    context.out.json(&json!({ "id": history.summary.id, "field": field, "values": values }))
}

fn list(context: &Context, history: &History, field: &str, alternatives: &[Alternative]) -> Done {
    let (out, kind) = (&context.out, Kind::named(&history.summary.kind));
    let name = label(kind, field);
    if alternatives.is_empty() {
        return out.say(&format!("{name} has one value; there is nothing to choose."));
    }
    out.say(&format!("{name} was written differently at the same time; the first shows:"))?;
    let now = when::now();
    for (number, known) in (1..).zip(alternatives) {
        let by =
            known.version.as_ref().map(|version| format!("   {}, {}", who(version), when::moment(version.at, &now)));
        out.say(&format!("  {number}. {}{}", shown(kind, field, &known.value), by.unwrap_or_default()))?;
    }
    let (id, flag) = (short(&history.summary.id), field.replace('_', "-"));
    out.say(&format!("To choose: share settle {id} {flag} --take NUMBER, or another value in its place"))?;
    Err(Ended::With(Code::Conflict.exit()))
}
