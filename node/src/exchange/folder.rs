//! Files and folders as drafts.
//!
//! [`scan`] looks over what would be published, for a progress bar and a last look; [`read`] reads one
//! file of it. Nothing outside the published folder is ever read: links that leave it are left out, folders
//! that are links are not entered, hidden files and what editors leave behind are passed over.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use staffroom_protocol::{
    limits,
    record::{
        field::{Fields, Value},
        kind::Kind,
    },
};

use super::{
    draft::{Attachment, Draft, Options},
    figures::{self, Target},
    json::one_line,
    markdown::{self, LONGEST_FILE},
    refusal::{Reason, Refusal},
};

/// How deep folders may lie in folders.
pub const DEPTH: usize = 32;
/// How many files and folders a published folder may hold.
pub const MOST: usize = 100_000;

/// What would be published of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The published folder; for a single file, the folder it is in. Nothing outside is read.
    pub root: PathBuf,
    /// What `source` starts with: the published folder's own name; nothing for a single file.
    pub prefix: Option<String>,
    /// The files that become a record each, in order of their paths.
    pub files: Vec<PathBuf>,
    /// Their length in all, in bytes.
    pub bytes: u64,
    /// What was left out that a person may have meant to publish, and why.
    pub left_out: Vec<Refusal>,
}

/// Whether a file is read as text: `.md`, `.markdown`, `.txt`.
pub fn is_markdown(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str).map(str::to_lowercase);
    matches!(ending.as_deref(), Some("md" | "markdown" | "txt"))
}

/// Looks over a file or a folder.
///
/// Pictures that a Markdown file of the folder shows belong to that file's record and are none of their own.
pub fn scan(path: &Path) -> Result<Plan, Refusal> {
    let what = path.display().to_string();
    let real = fs::canonicalize(path).map_err(|error| unreadable(&what, &error))?;
    let about = fs::metadata(&real).map_err(|error| unreadable(&what, &error))?;
    if about.is_file() {
        let root = real.parent().unwrap_or(&real).to_owned();
        return Ok(Plan { root, prefix: None, files: vec![real], bytes: about.len(), left_out: Vec::new() });
    }
    if !about.is_dir() {
        return Err(Refusal::new(what, Reason::NotAFile));
    }
    let prefix = real.file_name().map(|name| one_line(&name.to_string_lossy()));
    let plan = Plan { root: real, prefix, files: Vec::new(), bytes: 0, left_out: Vec::new() };
    let mut walk = Walk { plan, found: Vec::new(), seen: 0 };
    let root = walk.plan.root.clone();
    walk.enter(&root, 0)?;
    Ok(walk.finish())
}

struct Walk {
    plan: Plan,
    found: Vec<(PathBuf, u64)>,
    seen: usize,
}

impl Walk {
    fn enter(&mut self, folder: &Path, depth: usize) -> Result<(), Refusal> {
        let what = self.plan.source(folder);
        if depth > DEPTH {
            self.plan.left_out.push(Refusal::new(what, Reason::TooDeep(DEPTH)));
            return Ok(());
        }
        let listed = fs::read_dir(folder).and_then(|entries| {
            let room = MOST.saturating_sub(self.seen) + 1;
            entries.take(room).map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
        });
        let mut paths = match listed {
            Ok(paths) => paths,
            Err(error) => {
                self.plan.left_out.push(unreadable(&what, &error));
                return Ok(());
            }
        };
        self.seen += paths.len();
        if self.seen > MOST {
            return Err(Refusal::new(what, Reason::TooManyFiles(MOST)));
        }
        paths.sort();
        for path in paths {
            if path.file_name().is_some_and(|name| is_passed_over(&name.to_string_lossy())) {
                continue;
            }
            let what = self.plan.source(&path);
            let Ok(about) = fs::symlink_metadata(&path) else {
                self.plan.left_out.push(Refusal::new(what, Reason::Missing));
                continue;
            };
            if about.is_dir() {
                self.enter(&path, depth + 1)?;
            } else {
                match self.plan.length(&path) {
                    Ok(bytes) => self.found.push((path, bytes)),
                    Err(refusal) => self.plan.left_out.push(refusal),
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Plan {
        let mut shown = BTreeSet::new();
        if self.found.iter().any(|(path, _)| !is_markdown(path)) {
            for (path, _) in self.found.iter().filter(|(path, _)| is_markdown(path)) {
                shown.extend(self.plan.pictures_of(path));
            }
        }
        for (path, bytes) in self.found {
            if is_markdown(&path) || !shown.contains(&path) {
                self.plan.bytes = self.plan.bytes.saturating_add(bytes);
                self.plan.files.push(path);
            }
        }
        self.plan
    }
}

/// Hidden files, what editors and systems leave behind.
fn is_passed_over(name: &str) -> bool {
    let lower = name.to_lowercase();
    let endings = [".bak", ".swp", ".swo", ".tmp", ".orig", ".part", ".crdownload"];
    let names = ["thumbs.db", "desktop.ini", "__macosx", "icon\r"];
    name.starts_with(['.', '#'])
        || name.starts_with("~$")
        || name.ends_with('~')
        || endings.iter().any(|ending| lower.ends_with(ending))
        || names.contains(&lower.as_str())
}

impl Plan {
    /// Where a file came from, as a record's `source` says it: the folder's name, and the path under it.
    pub fn source(&self, path: &Path) -> String {
        let under = path.strip_prefix(&self.root).unwrap_or(path);
        let names = under.components().filter_map(|part| match part {
            Component::Normal(name) => Some(one_line(&name.to_string_lossy())),
            _ => None,
        });
        self.prefix.iter().cloned().chain(names).collect::<Vec<_>>().join("/")
    }

    /// The length of a file that lies in the published folder, links followed.
    fn length(&self, path: &Path) -> Result<u64, Refusal> {
        let what = self.source(path);
        let real = fs::canonicalize(path).map_err(|error| unreadable(&what, &error))?;
        if !real.starts_with(&self.root) {
            return Err(Refusal::new(what, Reason::Outside));
        }
        let about = fs::metadata(&real).map_err(|error| unreadable(&what, &error))?;
        if about.is_file() { Ok(about.len()) } else { Err(Refusal::new(what, Reason::NotAFile)) }
    }

    /// The pictures that a Markdown file shows and that are there; none where it cannot be read.
    fn pictures_of(&self, path: &Path) -> Vec<PathBuf> {
        let Ok(bytes) = self.text_of(path) else { return Vec::new() };
        let Ok(text) = markdown::decode("", &bytes) else { return Vec::new() };
        let body = super::front_matter::read("", text).map_or(text, |front| front.body);
        let images = figures::outline(body).images;
        images.iter().filter_map(|image| self.picture(path, image)?.ok()).collect()
    }

    /// Where a picture of a file is: nothing where it is elsewhere, an error where it is not here.
    fn picture(&self, page: &Path, address: &str) -> Option<Result<PathBuf, &'static str>> {
        let folder = page.parent().and_then(|folder| folder.strip_prefix(&self.root).ok()).unwrap_or(Path::new(""));
        match figures::target(address, folder) {
            Target::Elsewhere => None,
            Target::Outside => Some(Err("lies outside the published folder and is left out")),
            Target::Inside(under) => {
                let path = self.root.join(under);
                Some(match self.length(&path) {
                    Ok(_) => Ok(path),
                    Err(Refusal { why: Reason::Outside, .. }) => {
                        Err("lies outside the published folder and is left out")
                    }
                    Err(_) => Err("is missing"),
                })
            }
        }
    }

    fn text_of(&self, path: &Path) -> Result<Vec<u8>, Refusal> {
        let what = self.source(path);
        let is = self.length(path)?;
        let bound = u64::try_from(LONGEST_FILE).unwrap_or(u64::MAX);
        if is > bound {
            return Err(Refusal::new(what, Reason::TooLong { is, most: limits::TEXT }));
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(|error| unreadable(&what, &error))?;
        file.take(bound + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&what, &error))?;
        Ok(bytes)
    }
}

/// Reads one file of a plan.
pub fn read(plan: &Plan, path: &Path, options: &Options) -> Result<Draft, Refusal> {
    let source = plan.source(path);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !is_markdown(path) {
        return alone(plan, path, &name, &source, options);
    }
    let page = markdown::read(&name, &source, &plan.text_of(path)?, options)?;
    let mut draft = page.draft;
    for image in &page.images {
        match plan.picture(path, image) {
            None => {}
            Some(Err(why)) => draft.warnings.push(format!("the figure {} {why}", one_line(image))),
            Some(Ok(found)) => attach(&mut draft, attachment(&found)?),
        }
    }
    draft.check(&source)?;
    Ok(draft)
}

fn attach(draft: &mut Draft, more: Attachment) {
    if draft.attachments.iter().any(|one| one.path == more.path) {
        return;
    }
    if draft.attachments.iter().any(|one| one.name == more.name) {
        draft.warnings.push(format!("two of its files are called {}; give one of them another name", more.name));
    }
    draft.attachments.push(more);
}

/// A file that is not text: a record titled by its name, with the file attached.
fn alone(plan: &Plan, path: &Path, name: &str, source: &str, options: &Options) -> Result<Draft, Refusal> {
    plan.length(path)?;
    let kind = match options.asked_kind()? {
        Some(kind) => kind.name,
        None => "resource",
    };
    let state = match kind {
        "event" => Some("tentative"),
        _ => Kind::named(kind).and_then(|kind| kind.shared_state),
    };
    let mut fields = Fields::new();
    for (field, line) in [("title", markdown::readable(name)), ("source", source.to_owned())] {
        fields.insert(field.to_owned(), Value::Line(line));
    }
    fields.extend(state.map(|state| ("state".to_owned(), Value::Line(state.to_owned()))));
    options.apply(&mut fields);
    let attachments = vec![attachment(path)?];
    let draft = Draft { kind: kind.to_owned(), fields, attachments, warnings: Vec::new() };
    draft.check(source)?;
    Ok(draft)
}

/// A file of this machine as an attachment, also one that a person names with `--attach`.
pub fn attachment(path: &Path) -> Result<Attachment, Refusal> {
    let what = path.display().to_string();
    let about = fs::metadata(path).map_err(|error| unreadable(&what, &error))?;
    let name = path.file_name().filter(|_| about.is_file()).ok_or_else(|| Refusal::new(&what, Reason::NotAFile))?;
    Ok(Attachment {
        name: one_line(&name.to_string_lossy()),
        path: path.to_owned(),
        bytes: about.len(),
        media_type: mime_guess::from_path(path).first_or_octet_stream().essence_str().to_owned(),
    })
}

/// What the system said, in words where there are better ones.
pub(super) fn unreadable(what: &str, error: &io::Error) -> Refusal {
    Refusal::new(what, reason(error))
}

/// What the system said, as a reason.
pub fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::NotFound => Reason::Missing,
        io::ErrorKind::PermissionDenied => Reason::Unreadable("this user may not read it".to_owned()),
        _ => Reason::Unreadable(error.to_string()),
    }
}
