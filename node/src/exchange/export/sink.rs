//! Where an export goes: a folder, or one zip archive.
//!
//! An archive is written under another name and gets its own when it is complete; a folder gets its mark
//! last. Neither writes over anything that is there.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A place that takes files, one after the other.
pub(super) trait Sink {
    /// Makes a file at this path, folders parted by `/`. An error where something is there already.
    fn file(&mut self, path: &str, large: bool) -> io::Result<()>;
    /// Writes on in the file that was made last.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Takes back the file that was made last.
    fn take_back(&mut self) -> io::Result<()>;
    /// Ends the export: all of it is on the disk.
    fn finish(&mut self) -> io::Result<()>;
}

/// The place for an export. An error of the sort "already there" where it is not empty.
pub(super) fn open(to: &Path) -> io::Result<Box<dyn Sink>> {
    let zip = to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
    if zip { Ok(Box::new(Archive::new(to)?)) } else { Ok(Box::new(Folder::new(to)?)) }
}

struct Folder {
    root: PathBuf,
    open: Option<(PathBuf, BufWriter<File>)>,
}

impl Folder {
    fn new(root: &Path) -> io::Result<Self> {
        match fs::read_dir(root) {
            Ok(mut entries) => match entries.next() {
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
                None => Ok(Self { root: root.to_owned(), open: None }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(root)?;
                Ok(Self { root: root.to_owned(), open: None })
            }
            Err(error) => Err(error),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some((_, mut file)) => file.flush(),
            None => Ok(()),
        }
    }
}

impl Sink for Folder {
    fn file(&mut self, path: &str, _large: bool) -> io::Result<()> {
        self.close()?;
        let to = self.root.join(path);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        self.open = Some((to.clone(), BufWriter::new(File::create_new(to)?)));
        Ok(())
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |(_, file)| file.write_all(bytes))
    }
    fn take_back(&mut self) -> io::Result<()> {
        self.open.take().map_or(Ok(()), |(path, _)| fs::remove_file(path))
    }
    fn finish(&mut self) -> io::Result<()> {
        // The mark was written last; with it on the disk, so is what was written before on most systems,
        // and a copy that breaks off has none.
        match self.open.take() {
            Some((_, file)) => file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all(),
            None => Ok(()),
        }
    }
}

struct Archive {
    to: PathBuf,
    part: PathBuf,
    zip: Option<ZipWriter<BufWriter<File>>>,
    names: std::collections::BTreeSet<String>,
}

impl Archive {
    fn new(to: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = to.with_file_name(name);
        let file = File::create_new(&part)?;
        let zip = Some(ZipWriter::new(BufWriter::new(file)));
        Ok(Self { to: to.to_owned(), part, zip, names: std::collections::BTreeSet::new() })
    }

    fn zip(&mut self) -> io::Result<&mut ZipWriter<BufWriter<File>>> {
        self.zip.as_mut().ok_or_else(|| io::Error::other("the archive is complete"))
    }
}

impl Sink for Archive {
    fn file(&mut self, path: &str, large: bool) -> io::Result<()> {
        if !self.names.insert(path.to_lowercase()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(large);
        self.zip()?.start_file(path, options).map_err(io::Error::from)
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.zip()?.write_all(bytes)
    }
    fn take_back(&mut self) -> io::Result<()> {
        self.zip()?.abort_file().map_err(io::Error::from)
    }
    fn finish(&mut self) -> io::Result<()> {
        let Some(zip) = self.zip.take() else { return Ok(()) };
        let file = zip.finish().map_err(io::Error::from)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        // Nothing was there at the start; what has come since is not written over.
        fs::hard_link(&self.part, &self.to).or_else(|_| {
            if fs::symlink_metadata(&self.to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(&self.part, &self.to)
        })
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        drop(self.zip.take());
        // What is complete has its own name by now.
        let _ = fs::remove_file(&self.part);
    }
}

/// Copies a stream into the file that was made last; what fails of reading is told apart from writing.
pub(super) fn copy(sink: &mut dyn Sink, from: &mut dyn Read) -> io::Result<Result<u64, String>> {
    let mut block = vec![0; 64 << 10];
    let mut length = 0_u64;
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(Ok(length)),
            Ok(more) => {
                sink.write(&block[..more])?;
                length = length.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
}
