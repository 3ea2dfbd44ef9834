//! The command `share`: parse, dispatch, exit code.
//!
//! ```text
//! main ─▶ commands/VERB ─▶ client ─▶ the running node, or the store
//!              │
//!              └─▶ output, failure
//! ```
//!
//! Names, shapes and exit codes are an interface, described in `docs/guide/commands.md`: they are
//! changed only by adding.

mod attaching;
mod batch;
mod client;
mod commands;
mod context;
mod editor;
mod failure;
mod fields;
mod history;
mod output;
mod reading;
mod record;
mod secret;
mod sheet;
mod waiting;
mod when;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use crate::commands::Cli;
use crate::failure::Ended;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = reading::done(&arguments) {
        return code;
    }
    let asked_json = arguments.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json");
    let before = Output { json: asked_json, quiet: false };
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return exit(&before, output::verbatim(&error.to_string()));
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && arguments.len() < 2 => {
            let help = Cli::command().render_help().to_string();
            let _ = output::verbatim(&help);
            return ExitCode::from(2);
        }
        Err(error) => return exit(&before, Err(failure::from_clap(&error).into())),
    };
    let out = Output { json: cli.global.json, quiet: cli.global.quiet };
    exit(&out, commands::run(&cli))
}

fn exit(out: &Output, done: failure::Done) -> ExitCode {
    match done {
        Ok(()) | Err(Ended::Unread) => ExitCode::SUCCESS,
        Err(Ended::With(code)) => ExitCode::from(code),
        Err(Ended::Failed(failure)) => {
            out.report(&failure);
            ExitCode::from(failure.code.exit())
        }
    }
}
