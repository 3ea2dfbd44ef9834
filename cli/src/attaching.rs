//! Files on their way into a record: stored beside the store first, then named by the record.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use indicatif::ProgressBar;
use staffroom_node::api::{Code, Failure};
use staffroom_node::attaching::store;
use staffroom_node::blobs::Blobs;
use staffroom_node::exchange::{Attachment, Draft, Reason, Refusal, folder};
use staffroom_node::reader::Reader;
use staffroom_protocol::record::field::{BlobRef, FieldType, Value};
use staffroom_protocol::record::kind::Kind;

use crate::context::Context;
use crate::failure::{Done, usage};

/// The field that files go to.
pub(crate) const FIELD: &str = "attachments";

/// Stores files, and tells how far it is.
pub(crate) struct Attacher {
    blobs: Blobs,
    reader: Reader,
    bar: ProgressBar,
}

impl Attacher {
    /// Into a home; `bar` counts bytes.
    pub(crate) fn new(context: &Context, bar: ProgressBar) -> Self {
        Self { blobs: context.home.blobs(), reader: context.reader(), bar }
    }

    /// Stores the files of a draft, and names them in its fields. A file that is the draft refuses it;
    /// one that cannot be had beside a text is a warning.
    pub(crate) fn attach(&self, draft: &mut Draft, essential: bool) -> Result<(), Refusal> {
        let blobs = draft.fields.len();
        draft.fields.retain(|_, value| !matches!(value, Value::Blobs(files) if !files.is_empty()));
        if draft.fields.len() < blobs {
            // To name a file by its hash would share whatever lies here under it.
            let warning =
                "it names files that did not come with it; they are left out (share export brings files along)";
            draft.warnings.push(warning.to_owned());
        }
        let mut named = Vec::new();
        for attachment in std::mem::take(&mut draft.attachments) {
            match self.store(&attachment) {
                Ok(file) => named.push(file),
                // A disk that is full or fails is no matter of one file: what it keeps from being whole is not shared.
                Err(why) if essential || matches!(why, Reason::NotStored(_)) => {
                    return Err(Refusal::new(attachment.name, why));
                }
                Err(why) => draft.warnings.push(format!("{} {why}, and is left out", attachment.name)),
            }
        }
        if named.is_empty() {
            return Ok(());
        }
        if takes_files(&draft.kind) {
            draft.fields.insert(FIELD.to_owned(), Value::Blobs(named));
        } else {
            let names: Vec<String> = named.into_iter().map(|file| file.name).collect();
            draft.warnings.push(format!("a {} has no files: {} left out", draft.kind, names.join(", ")));
        }
        Ok(())
    }

    fn store(&self, attachment: &Attachment) -> Result<BlobRef, Reason> {
        store(&self.blobs, attachment, &mut |bytes| self.bar.inc(bytes))
    }

    /// What a draft that is nothing but its file is called: as the document in it says, where it does.
    pub(crate) fn title_from_file(&self, draft: &mut Draft) {
        let Some(Value::Blobs(files)) = draft.fields.get(FIELD) else { return };
        let Some(file) = files.first() else { return };
        // A file that cannot be read is shared under its name.
        if let Some(title) = self.reader.text(&file.id).ok().and_then(|read| read.title) {
            draft.fields.insert("title".to_owned(), Value::Line(title));
        }
    }

    fn with(&self, before: Option<&Value>, add: &[PathBuf], remove: &[String]) -> Done<Value> {
        let mut files = match before {
            Some(Value::Blobs(files)) => files.clone(),
            _ => Vec::new(),
        };
        for name in remove {
            let count = files.len();
            files.retain(|file| file.name != *name && !(name.len() >= 4 && file.id.to_string().starts_with(name)));
            if files.len() == count {
                return Err(Failure::new(Code::NotFound, format!("it has no file {name:?}")).into());
            }
        }
        for path in add {
            let file = self.store(&attachment(path)?).map_err(|why| cannot(path, &why))?;
            files.retain(|known| known.id != file.id);
            files.push(file);
        }
        Ok(Value::Blobs(files))
    }
}

/// Files that a person names on the command line.
pub(crate) fn attachments(paths: &[PathBuf]) -> Done<Vec<Attachment>> {
    paths.iter().map(|path| attachment(path)).collect()
}

fn attachment(path: &Path) -> Done<Attachment> {
    Ok(folder::attachment(path).map_err(|refusal| cannot(path, &refusal.why))?)
}

fn cannot(path: &Path, why: &Reason) -> Failure {
    let code = if *why == Reason::Missing { Code::NotFound } else { Code::Failed };
    why.hints().into_iter().fold(Failure::new(code, format!("{}: {why}", path.display())), Failure::hint)
}

/// The flag for files.
pub(crate) fn flag() -> Arg {
    Arg::new("attach")
        .long("attach")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .action(ArgAction::Append)
        .help("A file to attach; may be repeated")
}

/// What was given with it. A kind without files has no such flag.
pub(crate) fn given(matches: &ArgMatches) -> Vec<PathBuf> {
    let given = matches.try_get_many("attach").ok().flatten();
    given.map(|all| all.cloned().collect()).unwrap_or_default()
}

/// The files that a record shows after some were added and some taken out, by name or id.
pub(crate) fn change(
    context: &Context,
    kind: &Kind,
    before: Option<&Value>,
    add: &[PathBuf],
    remove: &[String],
) -> Done<Value> {
    if !takes_files(kind.name) {
        return Err(usage(format!("a {} has no files", kind.name)).into());
    }
    let bytes = attachments(add)?.iter().map(|file| file.bytes).sum();
    let bar = bar(context, bytes);
    let files = Attacher::new(context, bar.clone()).with(before, add, remove)?;
    bar.finish_and_clear();
    Ok(files)
}

/// Whether records of a kind have files.
pub(crate) fn takes_files(kind: &str) -> bool {
    Kind::named(kind).and_then(|kind| kind.field(FIELD)).is_some_and(|field| field.field_type == FieldType::Blobs)
}

/// A bar that counts so many bytes.
pub(crate) fn bar(context: &Context, bytes: u64) -> ProgressBar {
    context.out.bar(bytes, "{bar:30} {bytes} of {total_bytes}, {eta} left")
}
