//! Zip archives, unpacked into a folder of their own, within bounds.
//!
//! Nothing is written outside that folder, whatever names the archive has; what is left out is named with
//! the reason. The folder is gone when [`Unpacked`] is dropped; one that was left behind by a program that
//! was killed is removed before the next is made.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, ZipArchive};

use super::{
    folder::{DEPTH, MOST, unreadable},
    json::one_line,
    refusal::{Reason, Refusal},
};

/// How much an archive may unfold to in all, in bytes: a large folder with films in it.
const TOTAL: u64 = 4 << 30;
/// How many times its packed size one file may unfold to, above [`FREE`]. Text packs to a tenth; deflate's
/// most is 1,032.
const RATIO: u64 = 200;
/// Up to which size nobody asks how well a file was packed, in bytes.
const FREE: u64 = 1 << 20;
/// How long the name of a file in an archive may be, in bytes, folders included.
const NAME: usize = 1_000;
/// How folders of this sort are named.
const PREFIX: &str = "unpacked-";

/// An archive's files, unpacked.
#[derive(Debug)]
pub struct Unpacked {
    folder: PathBuf,
    /// Held locked as long as the folder is used.
    lock: File,
    /// What was not unpacked, and why.
    pub left_out: Vec<Refusal>,
}

impl Unpacked {
    /// Where the files are.
    pub fn files(&self) -> PathBuf {
        self.folder.join("files")
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // What cannot be removed now is removed before the next one is made.
        let _ = self.lock.unlock();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Unpacks an archive into a new folder below `place`; tells of each file how many of how many are done.
pub fn unpack(path: &Path, place: &Path, mut progress: impl FnMut(usize, usize)) -> Result<Unpacked, Refusal> {
    let (what, file) = super::lines::file(path)?;
    let length = file.metadata().map_or(0, |about| about.len());
    let bad = |error: zip::result::ZipError| Refusal::new(&what, Reason::BadZip(plainly(&error)));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(bad)?;
    if archive.len() > MOST {
        return Err(Refusal::new(&what, Reason::TooManyFiles(MOST)));
    }
    let mut unpacked = make_folder(&what, place)?;
    let mut unpacking = Unpacking {
        what: one_line(&what),
        into: unpacked.files(),
        names: BTreeSet::new(),
        room: TOTAL,
        packed: length,
        left_out: Vec::new(),
    };
    for index in 0..archive.len() {
        unpacking.one(&mut archive, index)?;
        progress(index + 1, archive.len());
    }
    unpacked.left_out = unpacking.left_out;
    Ok(unpacked)
}

struct Unpacking {
    what: String,
    into: PathBuf,
    /// The names so far, without regard to capitals: two that differ in those only are one on many disks.
    names: BTreeSet<String>,
    /// How many bytes may still be written.
    room: u64,
    /// How many bytes of the archive no file has claimed yet.
    packed: u64,
    left_out: Vec<Refusal>,
}

impl Unpacking {
    fn leave_out(&mut self, name: &str, why: Reason) {
        let name = one_line(&name.chars().take(200).collect::<String>());
        self.left_out.push(Refusal::new(format!("{}/{name}", self.what), why));
    }

    /// Unpacks one file, or says why not. An error is one of this machine's disk.
    fn one(&mut self, archive: &mut ZipArchive<BufReader<File>>, index: usize) -> Result<(), Refusal> {
        let shown = archive
            .name_for_index(index)
            .and_then(Result::ok)
            .map_or_else(|| format!("file {}", index + 1), std::borrow::Cow::into_owned);
        // Read as it lies first: what is encrypted cannot be opened otherwise.
        let (encrypted, link, method, packed, folder) = match archive.by_index_raw(index) {
            Ok(entry) => {
                (entry.encrypted(), entry.is_symlink(), entry.compression(), entry.compressed_size(), entry.is_dir())
            }
            Err(error) => {
                self.leave_out(&shown, Reason::BadZip(plainly(&error)));
                return Ok(());
            }
        };
        if folder {
            return Ok(());
        }
        let name = match self.name(&shown) {
            Ok(name) => name,
            Err(why) => {
                self.leave_out(&shown, Reason::LeftOut(why));
                return Ok(());
            }
        };
        let why = match method {
            _ if encrypted => Some("it is encrypted"),
            _ if link => Some("it is a link"),
            CompressionMethod::Stored | CompressionMethod::Deflated => None,
            _ => Some("it is packed in a way that is not read here; pack it as usual"),
        };
        // Files that overlap claim more than there is: a bomb.
        let claimed = self.packed.checked_sub(packed);
        let why = why.or(claimed.is_none().then_some("it overlaps with others in the archive"));
        if let Some(why) = why {
            self.leave_out(&shown, Reason::LeftOut(why));
            return Ok(());
        }
        self.packed = claimed.unwrap_or(0);
        self.names.insert(shown.to_lowercase());
        self.write(archive, index, &shown, &name, packed)
    }

    /// The path of a file under the folder; or why it has none.
    fn name(&self, name: &str) -> Result<PathBuf, &'static str> {
        let drive = name.as_bytes().get(1) == Some(&b':');
        if name.is_empty() || name.len() > NAME {
            return Err("its name is empty or too long");
        }
        if name.contains('\\') {
            return Err("its name has a backslash");
        }
        if name.starts_with('/') || drive {
            return Err("its name leads to a place of its own on the disk");
        }
        if name.chars().any(char::is_control) {
            return Err("its name has characters that are none");
        }
        let parts: Vec<&str> = name.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err("its name leads out of the folder");
        }
        if parts.len() > DEPTH || parts.iter().any(|part| part.len() > 255) {
            return Err("its name is too long, or too many folders deep");
        }
        if self.names.contains(&name.to_lowercase()) {
            return Err("another file of the archive has the same name");
        }
        Ok(parts.iter().collect())
    }

    fn write(
        &mut self,
        archive: &mut ZipArchive<BufReader<File>>,
        index: usize,
        shown: &str,
        name: &Path,
        packed: u64,
    ) -> Result<(), Refusal> {
        let what = self.what.clone();
        let disk = |error: io::Error| unreadable(&what, &error);
        let mut entry = match archive.by_index(index) {
            Ok(entry) => entry,
            Err(error) => {
                self.leave_out(shown, Reason::BadZip(plainly(&error)));
                return Ok(());
            }
        };
        let to = self.into.join(name);
        // Where a file stands in the place of a folder, or the other way round.
        let made = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create_new(&to));
        let Ok(mut file) = made else {
            self.leave_out(shown, Reason::LeftOut("another file of the archive stands in its place"));
            return Ok(());
        };
        let most = self.room.min(FREE.max(packed.saturating_mul(RATIO)));
        let mut block = vec![0; 64 << 10];
        let mut written = 0_u64;
        let why = loop {
            match entry.read(&mut block) {
                Ok(0) => break None,
                Ok(more) => {
                    written = written.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
                    if written > most {
                        break Some(Reason::LeftOut(if most == self.room {
                            "the archive unfolds to more than 4 GiB"
                        } else {
                            "it unfolds to more than 200 times its size"
                        }));
                    }
                    file.write_all(&block[..more]).map_err(disk)?;
                }
                Err(error) => break Some(Reason::BadZip(error.to_string())),
            }
        };
        drop((entry, file));
        match why {
            None => self.room -= written,
            Some(why) => {
                fs::remove_file(&to).map_err(disk)?;
                self.leave_out(shown, why);
            }
        }
        Ok(())
    }
}

/// A new folder below `place`, once those that nobody uses any more are gone.
fn make_folder(what: &str, place: &Path) -> Result<Unpacked, Refusal> {
    let disk = |error: io::Error| unreadable(what, &error);
    fs::create_dir_all(place).map_err(disk)?;
    remove_left_overs(place);
    for number in 0..10_000_u32 {
        let folder = place.join(format!("{PREFIX}{}-{number}", std::process::id()));
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made.map_err(disk)?,
        }
        let lock = File::create(folder.join("lock")).map_err(disk)?;
        lock.try_lock().map_err(|error| disk(error.into()))?;
        fs::create_dir(folder.join("files")).map_err(disk)?;
        return Ok(Unpacked { folder, lock, left_out: Vec::new() });
    }
    Err(Refusal::new(what, Reason::Unreadable(format!("no free place to unpack it below {}", place.display()))))
}

/// Removes the folders that a program which was killed left behind: those that nobody holds locked.
fn remove_left_overs(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for folder in entries.map(|entry| entry.path()) {
        let ours = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let free = File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if ours && free {
            // What cannot be removed stays for the next time.
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

fn plainly(error: &zip::result::ZipError) -> String {
    error.to_string()
}
