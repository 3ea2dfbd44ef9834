//! What every command is given: the home, how to speak, the settings.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use staffroom_node::reader::Reader;
use staffroom_node::{Config, Home};
use staffroom_protocol::limits;

use crate::client::Client;
use crate::commands::Global;
use crate::failure::{Done, usage};
use crate::output::Output;

/// What every command is given.
pub(crate) struct Context {
    /// The node's folder.
    pub(crate) home: Home,
    /// How to speak.
    pub(crate) out: Output,
}

impl Context {
    /// Out of the flags that every verb has.
    pub(crate) fn new(global: &Global) -> Done<Self> {
        let folder = global.home.clone().filter(|folder| !folder.as_os_str().is_empty());
        let folder = match folder {
            Some(folder) => folder,
            None => usual_home()?,
        };
        let out = Output { json: global.json, quiet: global.quiet };
        Ok(Self { home: Home::at(folder), out })
    }
    /// Whom to ask.
    pub(crate) fn client(&self) -> Done<Client> {
        Client::of(&self.home)
    }
    /// What is in the files of the home: read by this same program, as another process.
    pub(crate) fn reader(&self) -> Reader {
        // Where the system has a name for the program that runs, it is that one even after an upgrade.
        let running = PathBuf::from("/proc/self/exe");
        let program = if running.exists() { running } else { std::env::current_exe().unwrap_or_default() };
        Reader::new(self.home.blobs(), program)
    }
    /// The settings.
    pub(crate) fn config(&self) -> Done<Config> {
        Ok(self.home.config()?)
    }
    /// The person whose name is written.
    pub(crate) fn author(&self, asked: Option<&str>) -> Done<String> {
        let name = match asked {
            Some(name) => name.trim().to_owned(),
            None => self.config()?.author,
        };
        if name.len() > limits::NAME || name.chars().any(char::is_control) {
            let message = format!("a person's name is one line of at most {} letters", limits::NAME);
            return Err(usage(message).hint("--as \"B. Ahmed\", or the line `as` in share.toml").into());
        }
        Ok(name)
    }
    /// The zone that dates without one are in: the school's.
    pub(crate) fn zone(&self) -> Done<TimeZone> {
        let name = self.config()?.zone;
        let zone = staffroom_node::exchange::date::zone(&name);
        let wrong = || usage(format!("{name:?} in share.toml is not a time zone")).hint("zone = \"Europe/London\"");
        Ok(zone.ok_or_else(wrong)?)
    }
}

fn usual_home() -> Done<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "staffroom");
    let folder = folders.map(|folders| folders.data_dir().to_owned());
    Ok(folder.ok_or_else(|| usage("this user has no home folder").hint("name one with --home or SHARE_HOME"))?)
}
