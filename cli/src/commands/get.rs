//! `share get`: the files of a record, from here or from partners.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use staffroom_node::api::{Answer, Code, Failure, FileInfo, Request};
use staffroom_node::blobs::NotRead;
use staffroom_node::reader::NoAnswer;

use crate::attaching::bar;
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, unexpected, usage};
use crate::output::{one_line, size};
use crate::waiting::wait;

/// How often the bar moves while a file is fetched.
const REDRAW: Duration = Duration::from_millis(200);
/// How long a node that runs for this command alone may take to reach partners.
const REACHING: Duration = Duration::from_secs(20);
/// The longest name of a file that every system takes, bytes.
const LONGEST_NAME: usize = 200;

/// Get the files of a record; what is not held here is fetched from partners
#[derive(Args)]
#[command(after_help = "Examples:\n  share get k3v9xq                          all its files, into this folder\n  \
    share get k3v9xq worksheet.pdf --to ~/Desktop\n  share get k3v9xq worksheet.pdf --to sheet.pdf\n  \
    share get k3v9xq lesson.docx --text                print the words in it\n  \
    share get k3v9xq photo.jpg --thumbnail --to small.jpg\n\n\
    A file that is there already is never overwritten. A fetch that broke off goes on where it stopped.\n\
    Where no node runs here, one runs for as long as this takes. Ends with 6 if no partner that can be\n\
    reached has the file.")]
pub(crate) struct Get {
    /// The record's id; the first letters will do
    id: String,
    /// One file: its name, or the first letters of its id; all of them where nothing is said
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// A folder, or the new name of one file; without it the current folder
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
    /// Print the text of a document (docx, pptx, xlsx, odt, odp, ods, PDF) instead of copying it
    #[arg(long, requires = "file", conflicts_with_all = ["to", "thumbnail"])]
    text: bool,
    /// A small picture of a JPEG, PNG or WebP instead of the file
    #[arg(long, requires_all = ["file", "to"])]
    thumbnail: bool,
}

impl Get {
    pub(super) fn run(&self, context: &Context) -> Done {
        let mut client = context.client()?;
        let mut files = self.ask(&mut client, false)?;
        let places = if self.text { Vec::new() } else { self.places(&files)? };
        if files.iter().any(|file| !file.held) {
            drop(client);
            files = self.fetch(context, &files)?;
        }
        if self.text {
            return files.iter().try_for_each(|file| print_text(context, file));
        }
        if self.thumbnail {
            return files.iter().zip(&places).try_for_each(|(file, place)| write_thumbnail(context, file, place));
        }
        let copying = bar(context, files.iter().map(|file| file.file.bytes).sum());
        for (file, place) in files.iter().zip(&places) {
            copy(context, file, place, &mut |bytes| copying.inc(bytes))?;
            let about = json!({ "id": file.file.id, "name": file.file.name, "bytes": file.file.bytes,
                "media_type": file.file.media_type, "path": place });
            context.out.json(&about)?;
            let told = format!("{} ({})", place.display(), size(file.file.bytes));
            copying.suspend(|| context.out.say(&one_line(&told)))?;
        }
        copying.finish_and_clear();
        Ok(())
    }

    fn ask(&self, client: &mut Client, fetch: bool) -> Done<Vec<FileInfo>> {
        let request = Request::Files { id: self.id.clone(), file: self.file.clone(), fetch };
        match client.ask(request)? {
            Answer::Files { files, .. } => Ok(files),
            _ => Err(unexpected().into()),
        }
    }

    /// Has the node fetch what is missing, and shows how far it is.
    fn fetch(&self, context: &Context, files: &[FileInfo]) -> Done<Vec<FileInfo>> {
        let mut client = Client::reaching(&context.home)?;
        if !client.runs_already() {
            // A node that has just begun has reached nobody yet; that nobody is there, the fetch says.
            client.ask(Request::Sync { wait: 0 })?;
            let _reached = wait(&mut client, None, REACHING, &mut |_| {})?;
        }
        let missing: Vec<&FileInfo> = files.iter().filter(|file| !file.held).collect();
        let fetching = bar(context, missing.iter().map(|file| file.file.bytes).sum());
        let done = AtomicBool::new(false);
        let fetched = std::thread::scope(|scope| {
            scope.spawn(|| watch(context, &missing, &fetching, &done));
            let fetched = self.ask(&mut client, true);
            done.store(true, Ordering::Release);
            fetched
        });
        fetching.finish_and_clear();
        fetched
    }

    /// Where each file goes: nothing is written, or fetched, before all places are free.
    fn places(&self, files: &[FileInfo]) -> Done<Vec<PathBuf>> {
        let to = self.to.clone().unwrap_or_else(|| PathBuf::from("."));
        let folder = to.is_dir();
        if !folder && files.len() > 1 {
            return Err(usage(format!("{} is no folder, and the record has {} files", to.display(), files.len()))
                .hint("name a folder with --to, or one file: share get ID FILE --to PATH")
                .into());
        }
        let mut taken = BTreeSet::new();
        let mut places = Vec::new();
        for file in files {
            let mut place = if folder { to.join(harmless_name(&file.file.name)) } else { to.clone() };
            // Two files of one record may have one name.
            let mut number = 2;
            while !taken.insert(place.clone()) {
                place = to.join(format!("{number} {}", harmless_name(&file.file.name)));
                number += 1;
            }
            if fs::symlink_metadata(&place).is_ok() {
                return Err(Failure::new(Code::Refused, format!("{} is there already", place.display()))
                    .hint("nothing is overwritten: choose another place with --to")
                    .into());
            }
            places.push(place);
        }
        Ok(places)
    }
}

/// Moves the bar as far as the running node is.
fn watch(context: &Context, missing: &[&FileInfo], bar: &indicatif::ProgressBar, done: &AtomicBool) {
    // A node that runs for this command alone has no socket to be asked at before it listens.
    let Ok(mut client) = Client::beside(&context.home) else { return };
    while !done.load(Ordering::Acquire) {
        let mut here = 0;
        for file in missing {
            match client.ask(Request::Fetching { blob: file.file.id }) {
                Ok(Answer::Fetching { done, .. }) => here += done,
                _ => return,
            }
        }
        bar.set_position(here);
        std::thread::sleep(REDRAW);
    }
}

/// Copies a file that is held, each part of it checked. What cannot be copied whole is removed again.
fn copy(context: &Context, file: &FileInfo, place: &Path, progress: &mut dyn FnMut(u64)) -> Done {
    let cannot = |why: String, code| Failure::new(code, format!("{}: {why}", one_line(&file.file.name)));
    let blob = context.home.blobs().open(&file.file.id);
    let copied = blob.and_then(|blob| {
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let to = OpenOptions::new().write(true).create_new(true).open(place)?;
        let durable = || to.sync_all().and_then(|()| fs::File::open(folder)?.sync_all());
        blob.copy_to(&mut &to, progress).and_then(|()| Ok(durable()?)).inspect_err(|_| drop(fs::remove_file(place)))
    });
    copied.map_err(|why| {
        let code = if matches!(why, NotRead::Damaged(_)) { Code::Damaged } else { Code::Failed };
        let failure = cannot(why.to_string(), code);
        match why {
            NotRead::Failed(error) if error.kind() == io::ErrorKind::StorageFull => failure.hint("the disk is full"),
            NotRead::Damaged(_) | NotRead::Missing => failure.hint("share verify finds it and fetches it again"),
            NotRead::Failed(_) => failure,
        }
        .into()
    })
}

/// Prints the words of a file that is held.
fn print_text(context: &Context, file: &FileInfo) -> Done {
    let read = context.reader().text(&file.file.id).map_err(|why| no_answer(&file.file.name, &why))?;
    context.out.json(&json!({ "id": file.file.id, "name": file.file.name, "title": read.title,
        "text": read.text, "cut": read.cut }))?;
    context.out.say(&read.text)?;
    if read.cut {
        context.out.note(&format!("{} has more text than this", one_line(&file.file.name)));
    }
    Ok(())
}

/// Writes a small picture of a file that is held.
fn write_thumbnail(context: &Context, file: &FileInfo, place: &Path) -> Done {
    let small = context.reader().thumbnail(&file.file.id).map_err(|why| no_answer(&file.file.name, &why))?;
    let cannot = |error: io::Error| Failure::new(Code::Failed, format!("{}: {error}", place.display()));
    let mut to = OpenOptions::new().write(true).create_new(true).open(place).map_err(cannot)?;
    to.write_all(&small.bytes).and_then(|()| to.sync_all()).map_err(cannot)?;
    context.out.json(&json!({ "id": file.file.id, "name": file.file.name, "bytes": small.bytes.len(),
        "media_type": small.media_type, "width": small.width, "height": small.height, "path": place }))?;
    let bytes = u64::try_from(small.bytes.len()).unwrap_or(u64::MAX);
    let told = format!("{} ({} × {}, {})", place.display(), small.width, small.height, size(bytes));
    context.out.say(&one_line(&told))
}

fn no_answer(name: &str, why: &NoAnswer) -> Failure {
    let code = match why {
        NoAnswer::NotHeld(NotRead::Damaged(_)) => Code::Damaged,
        NoAnswer::NotHeld(NotRead::Missing) | NoAnswer::Nothing(_) => Code::NotFound,
        NoAnswer::NotHeld(NotRead::Failed(_)) | NoAnswer::Failed(_) => Code::Failed,
    };
    Failure::new(code, format!("{}: {why}", one_line(name)))
}

/// A name that stays in its folder, on any system: a partner may have called a file anything.
fn harmless_name(name: &str) -> String {
    let plain: String = one_line(name)
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{fffd}' | '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') {
                '_'
            } else {
                c
            }
        })
        .collect();
    let plain = plain.trim().trim_start_matches(['.', '-']).trim_end_matches(['.', ' ']).to_owned();
    let plain = if plain.is_empty() { "file".to_owned() } else { plain };
    if plain.len() <= LONGEST_NAME {
        return plain;
    }
    // The ending says what it is: the middle goes.
    let ending = plain.rsplit_once('.').map(|(_, ending)| ending).filter(|ending| ending.len() <= 8).unwrap_or("");
    let mut most = LONGEST_NAME - ending.len() - 1;
    while !plain.is_char_boundary(most) {
        most -= 1;
    }
    if ending.is_empty() { plain[..most].to_owned() } else { format!("{}.{ending}", &plain[..most]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_its_folder() {
        for (name, harmless) in [
            ("worksheet.pdf", "worksheet.pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..", "file"),
            ("", "file"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("a\nb\u{202e}fdp.exe", "a b_fdp.exe"),
            ("C:\\x", "C__x"),
        ] {
            assert_eq!(harmless_name(name), harmless, "{name:?}");
        }
        let long = harmless_name(&format!("{}.docx", "é".repeat(400)));
        assert!(long.len() <= LONGEST_NAME && long.ends_with("é.docx"), "{long}");
    }
}
