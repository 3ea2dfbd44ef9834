//! `share backup` and `share restore`: all that is held, in one file.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use staffroom_node::api::{Answer, BackedUp, Request};

use super::join::state;
use crate::context::Context;
use crate::failure::{Done, Ended, failed, unexpected};
use crate::output::{one_line, size, some};
use crate::secret;

/// Copy all that is held into one file, while the node runs or not
#[derive(Args)]
#[command(after_help = "Example:\n  share backup /media/usb/hillside-2026-11-22.backup\n\n\
    No key is in it: to restore it takes the recovery sheet. What was shared in clusters is at the\n\
    partners too; drafts are in the backup alone. The exit code is 8 where files had to be left out.")]
pub(crate) struct Backup {
    /// The file to make; nothing is overwritten
    file: PathBuf,
}

/// Set an empty home up from a backup, with the code on the recovery sheet
#[derive(Args)]
#[command(
    after_help = "Examples:\n  share --home /srv/share restore hillside.backup\n  share restore hillside.backup < code.txt\n\n\
    The machine gets keys of its own and writes a log of its own; partners bring what came after the\n\
    backup. If the old machine is lost, end it then: share device revoke."
)]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(&self, context: &Context) -> Done {
        let out = &context.out;
        // The running node has a working folder of its own.
        let path = std::path::absolute(&self.file).map_err(|error| failed(error.to_string()))?;
        let spinner = out.spinner("copying all that is held");
        let answer = context.client()?.ask(Request::Backup { path });
        spinner.finish_and_clear();
        let Answer::BackedUp(done) = answer? else { return Err(unexpected().into()) };
        let BackedUp { bytes, records, files, missing } = done;
        out.json(
            &json!({ "file": self.file, "bytes": bytes, "records": records, "files": files, "missing": missing }),
        )?;
        let mut records = some(records, "record", "records");
        if files > 0 {
            records.push_str(&format!(" with {}", some(files, "file", "files")));
        }
        out.remark(&format!(
            "{records}, {}, are in {}. No key is in it: keep the recovery sheet, without which nobody restores it.",
            size(done.bytes),
            self.file.display()
        ))?;
        if missing == 0 {
            return Ok(());
        }
        out.urge(&format!(
            "{} not in the backup, being damaged, gone or not to be read here; share verify names what is",
            files_are(missing)
        ));
        Err(Ended::With(8))
    }
}

fn files_are(count: u64) -> String {
    if count == 1 { "1 file is".to_owned() } else { format!("{count} files are") }
}

impl Restore {
    pub(super) fn run(&self, context: &Context) -> Done {
        let out = &context.out;
        let code = secret::code(&secret::ask("Code on the sheet")?)?;
        let spinner = out.spinner("setting the school up from its backup");
        let restored = staffroom_node::backup::restore(&context.home, &self.file, &code);
        spinner.finish_and_clear();
        let restored = restored?;
        let status = state(&mut context.client()?)?;
        out.json(&json!({ "school": status.school, "device": status.device, "records": restored.records,
            "files": restored.files, "missing": restored.missing }))?;
        if restored.missing > 0 {
            out.urge(&format!(
                "{} not whole in the backup; partners that have them give them again",
                files_are(restored.missing)
            ));
        }
        out.remark(&format!(
            "{} is set up again, with {}.\n\n  home    {}\n  device  {}\n\n\
             Run it, and partners bring what came later:\n  share serve\n\n\
             Is the old machine lost? End it once all partners are in step: share device list, share device revoke.",
            one_line(&status.school.name),
            some(restored.records, "record", "records"),
            context.home.path().display(),
            status.device
        ))
    }
}
