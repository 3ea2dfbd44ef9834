//! What processes that were killed left behind.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use staffroom_protocol::id::BlobId;

use super::{Blobs, list};

/// What was left by a process that was killed is removed after so long: nobody writes one file for a day.
const LEFT_OVER: Duration = Duration::from_hours(24);

impl Blobs {
    /// The blobs that nobody stored or found here for a day.
    pub fn left_alone(&self) -> io::Result<Vec<BlobId>> {
        let mut all = Vec::new();
        self.all(&mut |id| all.push(id))?;
        all.retain(|id| is_old(&self.path(id)));
        Ok(all)
    }
    /// Removes what processes that were killed left half written, and what was made out of blobs that are gone.
    pub fn tidy(&self) {
        self.tidy_kept();
        for path in list(&self.incoming()).unwrap_or_default() {
            if path.extension().is_some_and(|ending| ending == "new") && is_old(&path) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Whether a file was left alone for longer than anybody writes one.
fn is_old(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|about| about.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LEFT_OVER))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn make_old(path: &Path) {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - 2 * LEFT_OVER).unwrap();
    }

    #[test]
    fn what_is_found_to_be_here_is_as_good_as_new() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(home.path().join("blobs"));
        let source = home.path().join("source");
        fs::write(&source, b"a worksheet").unwrap();
        let id = blobs.add_file(&source, &mut |_| {}).unwrap().id();
        assert_eq!(blobs.left_alone().unwrap(), []);
        make_old(&blobs.path(&id));
        assert_eq!(blobs.left_alone().unwrap(), [id]);
        blobs.add_file(&source, &mut |_| {}).unwrap();
        assert_eq!(blobs.left_alone().unwrap(), []);
    }

    #[test]
    fn what_was_half_written_goes_after_a_day() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(home.path().join("blobs"));
        fs::create_dir_all(blobs.incoming()).unwrap();
        let [old, new] = ["old.new", "now.new"].map(|name| blobs.incoming().join(name));
        for path in [&old, &new] {
            fs::write(path, b"half").unwrap();
        }
        make_old(&old);
        blobs.tidy();
        assert!(!old.exists() && new.exists());
    }
}
