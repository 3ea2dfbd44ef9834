//! `share completions`: what a shell completes.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::context::Context;
use crate::failure::Done;
use crate::output::verbatim;

/// Print completions for a shell
#[derive(Args)]
#[command(after_help = "Example:\n  share completions bash > ~/.local/share/bash-completion/completions/share")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, _: &Context) -> Done {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "share", &mut script);
        verbatim(&String::from_utf8_lossy(&script))
    }
}
