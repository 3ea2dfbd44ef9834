//! The person's own editor, on a record as a form.

use std::process::Command;

use staffroom_node::api::Failure;
use staffroom_node::exchange::form;
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::kind::Kind;

use crate::context::Context;
use crate::failure::{Done, failed, usage};
use crate::output::can_ask;

/// Opens the form of a record and reads it back. `None` where nothing was changed.
pub(crate) fn edit(context: &Context, kind: &'static Kind, fields: &Fields, example: &str) -> Done<Option<Fields>> {
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|e| !e.trim().is_empty()));
    let editor = match editor {
        Some(editor) if can_ask() => editor,
        _ => {
            let why = if can_ask() { "neither EDITOR nor VISUAL is set" } else { "this is not a terminal" };
            return Err(usage(format!("no field was given, and {why}")).hint(example).into());
        }
    };
    let before = form::to_form(kind, fields);
    let cannot = |error: std::io::Error| failed(format!("the form cannot be written: {error}"));
    let file = tempfile::Builder::new().prefix("share-").suffix(".md").tempfile().map_err(cannot)?;
    std::fs::write(file.path(), &before).map_err(cannot)?;
    let ran = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("share").arg(file.path()).status();
    let ran = ran.map_err(|error| failed(format!("{editor} cannot be run: {error}")))?;
    if !ran.success() {
        return Err(failed(format!("{editor} ended with {ran}; nothing was changed")).into());
    }
    let after = std::fs::read_to_string(file.path()).map_err(|error| failed(format!("the form is gone: {error}")))?;
    if after == before {
        return Ok(None);
    }
    match form::from_form_in(kind, &after, &context.zone()?) {
        Ok(fields) => Ok(Some(fields)),
        Err(refusal) => {
            let mut failure = Failure { hints: refusal.hints.clone(), ..usage(refusal.to_string()) };
            if let Ok((_, path)) = file.keep() {
                failure = failure.hint(format!("what you wrote is kept in {}", path.display()));
            }
            Err(failure.into())
        }
    }
}
