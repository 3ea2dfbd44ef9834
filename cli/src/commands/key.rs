//! `share key`: the recovery sheet and its uses.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;
use staffroom_node::api::{Answer, Request, Sheet as Facts};

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, failed, unexpected, usage};
use crate::output::{one_line, some};
use crate::secret;
use crate::sheet::Sheet;
use crate::waiting::{Waited, wait};

/// Check the recovery sheet, replace it, start again with it
#[derive(Subcommand)]
#[command(after_help = "Examples:\n  share key sheet\n  share key rotate --sheet new-sheet.html\n  \
    share key recover --from /ip4/192.0.2.7/tcp/4960/p2p/12D3Koo…\n\n\
    The code is asked for, or read from the first line of standard input; never from an argument.")]
pub(crate) enum Key {
    /// Check that the code on the paper counts, and print the whole sheet
    #[command(after_help = "Example:\n  share key sheet --html sheet.html")]
    Sheet {
        /// Write a page to print on A4 instead, into a new file
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Make a new sheet with a new code; the one before is void from then on
    #[command(after_help = "Example:\n  share key rotate --sheet new-sheet.html")]
    Rotate {
        /// Write the new sheet into a new file: a page to print where its name ends in .html
        #[arg(long, value_name = "FILE")]
        sheet: Option<PathBuf>,
    },
    /// Start the school again on this machine, with the sheet and a partner's node
    #[command(after_help = "Example:\n  share key recover --from /ip4/192.0.2.7/tcp/4960/p2p/12D3Koo…")]
    Recover {
        /// The full address of a node that knows the school, as share status shows it there
        #[arg(long, value_name = "MULTIADDR")]
        from: String,
        /// The school's name, where no partner has its profile
        #[arg(long, value_name = "NAME")]
        school: Option<String>,
        /// How long to wait until everything is received
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        wait: u64,
    },
}

impl Key {
    pub(super) fn run(&self, context: &Context) -> Done {
        match self {
            Self::Sheet { html } => check(context, html.as_deref()),
            Self::Rotate { sheet } => rotate(context, sheet.as_deref()),
            Self::Recover { from, school, wait } => recover(context, from, school.as_deref(), *wait),
        }
    }
}

fn check(context: &Context, html: Option<&Path>) -> Done {
    html.map_or(Ok(()), Sheet::check)?;
    let mut client = context.client()?;
    let facts = facts(client.ask(Request::Sheet)?)?;
    let asked = secret::ask("Code on the sheet")?;
    if !facts.identity.is_under(&secret::code(&asked)?) {
        return Err(void().into());
    }
    let out = &context.out;
    out.json(&json!({ "school": facts.school, "counts": true, "frozen": facts.identity.is_frozen() }))?;
    if let Some(path) = html {
        let path = with_ending(path);
        sheet(&facts, asked.0).write(&path)?;
        return out
            .remark(&format!("The code counts. The sheet is in {}; delete it once it is printed.", path.display()));
    }
    out.say(&sheet(&facts, asked.0).text())?;
    out.remark("The code counts.")
}

fn rotate(context: &Context, file: Option<&Path>) -> Done {
    let out = &context.out;
    if out.json && file.is_none() {
        return Err(usage("with --json the new code goes into a file").hint("share key rotate --sheet FILE").into());
    }
    file.map_or(Ok(()), Sheet::check)?;
    let mut client = context.client()?;
    let facts = facts(client.ask(Request::Sheet)?)?;
    let old = secret::ask("Code on the present sheet")?;
    if !facts.identity.is_under(&secret::code(&old)?) {
        return Err(void().into());
    }
    // First on paper, then in force: a new code that nobody has would be the end of it.
    let new = staffroom_node::Home::new_code()?;
    let page = sheet(&facts, new.0.clone());
    match file {
        Some(path) => page.write(path)?,
        None => out.say(&page.text())?,
    }
    if std::io::stdin().is_terminal() {
        let again = secret::ask("Put it on paper. Then type the new code, and it counts")?;
        if again != new {
            return Err(failed("that is not the new code: the present sheet still counts").into());
        }
    }
    let Answer::Sheet(_) = client.ask(Request::Renew { old, new })? else { return Err(unexpected().into()) };
    out.json(&json!({ "school": facts.school, "sheet": file }))?;
    if let Some(path) = file {
        out.remark(&format!("The new sheet is in {}; delete it once it is printed.", path.display()))?;
    }
    out.remark("The new code counts. Destroy the sheets before it: they are void.")
}

fn recover(context: &Context, from: &str, name: Option<&str>, seconds: u64) -> Done {
    let out = &context.out;
    if context.home.is_set_up()? {
        return Err(usage(format!("a school is set up in {} already", context.home.path().display()))
            .hint("recovering is for an empty home: choose another folder with --home")
            .into());
    }
    let code = secret::code(&secret::ask("Code on the sheet")?)?;
    let mut client =
        Client::in_empty(&context.home, |running, runtime| runtime.block_on(running.recover(from, &code)))?;
    let (waited, _) = wait(&mut client, None, Duration::from_secs(seconds), &mut |_| ())?;
    let own = Request::OwnSpace { name: name.map(str::to_owned) };
    let Answer::Devices { devices, .. } = client.ask(own)? else { return Err(unexpected().into()) };
    let status = super::join::state(&mut client)?;
    out.json(&json!({
        "school": status.school,
        "device": status.device,
        "in_step": waited == Waited::InStep,
        "devices": devices,
    }))?;
    out.say(&format!(
        "{} is set up again.\n\n  home    {}\n  device  {}\n  {}",
        one_line(&status.school.name),
        context.home.path().display(),
        status.device,
        some(status.store.records, "record", "records"),
    ))?;
    let others: Vec<String> = devices
        .iter()
        .filter(|device| !device.ours && !device.revoked)
        .map(|device| format!("  share device revoke {} --code", device.device.short()))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    out.remark(&format!(
        "\nOther devices still act for the school. Once all partners are in step, end those that are lost:\n{}",
        others.join("\n")
    ))
}

fn facts(answer: Answer) -> Done<Facts> {
    match answer {
        Answer::Sheet(facts) => Ok(*facts),
        _ => Err(unexpected().into()),
    }
}

fn sheet(facts: &Facts, code: String) -> Sheet {
    Sheet {
        name: facts.school.name.clone(),
        school: facts.school.id,
        device: facts.device,
        code,
        reach: facts.reach.clone(),
    }
}

/// A page is written whatever the file is called.
fn with_ending(path: &Path) -> PathBuf {
    if path.extension().is_some() { path.to_owned() } else { path.with_extension("html") }
}

fn void() -> staffroom_node::api::Failure {
    staffroom_node::api::Failure::new(staffroom_node::api::Code::Refused, "this code is not on the sheet that counts")
        .hint("look for a newer sheet: share key rotate makes those before it void")
}
