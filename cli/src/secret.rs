//! Recovery codes: read from a prompt or standard input, never from an argument.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use staffroom_node::api::Secret;
use staffroom_protocol::identity::RecoveryCode;

use crate::failure::{Done, failed, usage};

/// Asks for a code. Where standard input is no terminal, its next line is the code.
pub(crate) fn ask(what: &str) -> Done<Secret> {
    let asks = io::stdin().is_terminal();
    if asks {
        let mut told = io::stderr();
        // Where standard error is gone, the question is not seen; the answer counts all the same.
        let _ = write!(told, "{what}: ").and_then(|()| told.flush());
    }
    let shown = !asks || !show_typing(false);
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if !shown {
        show_typing(true);
        let _ = writeln!(io::stderr());
    }
    read.map_err(|error| failed(format!("standard input cannot be read: {error}")))?;
    match RecoveryCode::parse(&line) {
        Some(code) => Ok(Secret(code.to_text())),
        None => Err(usage("that is not a recovery code: it has eight groups of four letters and digits")
            .hint("type it from the sheet; dashes, spaces and capitals do not matter")
            .hint("from a script: share … < file with the code on its first line")
            .into()),
    }
}

/// The code of what [`ask`] gave.
pub(crate) fn code(secret: &Secret) -> Done<RecoveryCode> {
    Ok(RecoveryCode::parse(&secret.0).ok_or_else(|| failed("a code that was read before is none now"))?)
}

/// Whether the terminal shows what is typed; says whether that could be set.
fn show_typing(shown: bool) -> bool {
    let set = Command::new("stty").arg(if shown { "echo" } else { "-echo" }).stderr(Stdio::null()).status();
    set.is_ok_and(|status| status.success())
}
