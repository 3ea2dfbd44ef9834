//! Zip archives.

use std::{
    fs::{self, File},
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
};

use jiff::civil::date;
use proptest::prelude::*;
use staffroom_node::exchange::{Draft, Options, import::Import, zip::unpack};
use tempfile::TempDir;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

fn archive(folder: &Path, files: &[(&str, &[u8])]) -> PathBuf {
    let path = folder.join("lessons.zip");
    let mut zip = ZipWriter::new(File::create(&path).expect("made"));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
            .expect("begun");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("finished");
    path
}

fn left_out(path: &Path, place: &Path) -> Vec<String> {
    let unpacked = unpack(path, place, |_, _| {}).expect("unpacked");
    unpacked.left_out.iter().map(ToString::to_string).collect()
}

#[test]
fn a_zip_of_pages_is_read_like_their_folder() {
    let folder = TempDir::new().expect("a folder");
    let path = archive(
        folder.path(),
        &[
            ("week 1/plan.md", b"---\ntags: a\n---\n\n# Plan\n\n![](fig/line.png)\n"),
            ("week 1/fig/line.png", b"\x89PNG"),
            ("week 1/übung.md", "# Übung\n".as_bytes()),
            (".DS_Store", b"x"),
            ("__MACOSX/week 1/._plan.md", b"x"),
        ],
    );
    let place = folder.path().join("home/tmp");
    let import = Import::open(&path, &Options::default(), date(2026, 11, 22), &place, |_, _| {}).expect("opened");
    assert_eq!((import.size(), import.left_out()), (2, Vec::new()));
    let found: Vec<_> = import.records(None).expect("read").map(|found| found.expect("a record").draft).collect();
    assert_eq!(found.iter().map(Draft::title).collect::<Vec<_>>(), ["Plan", "Übung"]);
    assert_eq!(found[0].source(), "lessons/week 1/plan.md");
    assert_eq!(fs::read(&found[0].attachments[0].path).expect("there"), b"\x89PNG");
    drop(import);
    assert_eq!(fs::read_dir(&place).expect("a folder").count(), 0, "nothing is left behind");
}

#[test]
fn names_that_lead_elsewhere_are_left_out_with_the_reason() {
    let folder = TempDir::new().expect("a folder");
    let path = archive(
        folder.path(),
        &[
            ("../out.md", b"x"),
            ("a/../../out.md", b"x"),
            ("/etc/out.md", b"x"),
            ("C:/out.md", b"x"),
            ("a\\out.md", b"x"),
            ("a//out.md", b"x"),
            ("a\u{7}.md", b"x"),
            ("Plan.md", b"x"),
            ("plan.MD", b"x"),
            ("plan.md/inside.md", b"x"),
            ("good.md", b"x"),
        ],
    );
    let place = folder.path().join("tmp");
    let unpacked = unpack(&path, &place, |_, _| {}).expect("unpacked");
    let mut names: Vec<_> =
        fs::read_dir(unpacked.files()).expect("there").map(|e| e.expect("there").file_name()).collect();
    names.sort();
    // On a disk that tells capitals apart, the folder `plan.md` is another one than the file `Plan.md`.
    assert_eq!(
        names.iter().filter(|name| name.to_string_lossy() != "plan.md").collect::<Vec<_>>(),
        ["Plan.md", "good.md"]
    );
    assert_eq!(unpacked.left_out.len(), 8, "{:?}", unpacked.left_out);
    for refusal in &unpacked.left_out {
        assert!(refusal.to_string().contains("left out: "), "{refusal}");
    }
    assert!(!folder.path().join("out.md").exists());
}

#[test]
fn links_and_what_is_encrypted_are_left_out() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("x.zip");
    let mut zip = ZipWriter::new(File::create(&path).expect("made"));
    zip.add_symlink("link.md", "/etc/passwd", stored()).expect("a link");
    zip.start_file("plain.md", stored()).expect("begun");
    zip.write_all(b"hello").expect("written");
    zip.finish().expect("finished");
    // The flag that says "encrypted", in both headers of the second file.
    let mut bytes = fs::read(&path).expect("read");
    for at in 0..bytes.len() - 40 {
        let (local, central) = (bytes[at..].starts_with(b"PK\x03\x04"), bytes[at..].starts_with(b"PK\x01\x02"));
        let name = if local { at + 30 } else { at + 46 };
        if (local || central) && bytes[name..].starts_with(b"plain.md") {
            bytes[at + if local { 6 } else { 8 }] |= 1;
        }
    }
    fs::write(&path, bytes).expect("written");
    let said = left_out(&path, &folder.path().join("tmp"));
    assert_eq!(said, ["x.zip/link.md: is left out: it is a link", "x.zip/plain.md: is left out: it is encrypted"]);
}

#[test]
fn a_bomb_is_left_out_and_the_rest_is_read() {
    let folder = TempDir::new().expect("a folder");
    let path = archive(folder.path(), &[("bomb.md", &vec![b'a'; 64 << 20]), ("good.md", b"# Good\n")]);
    assert!(fs::metadata(&path).expect("there").len() < 200_000);
    let place = folder.path().join("tmp");
    let unpacked = unpack(&path, &place, |_, _| {}).expect("unpacked");
    assert!(unpacked.files().join("good.md").is_file() && !unpacked.files().join("bomb.md").exists());
    let said: Vec<String> = unpacked.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["lessons.zip/bomb.md: is left out: it unfolds to more than 200 times its size"]);
}

#[test]
fn a_damaged_file_is_named_and_the_others_are_read() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("x.zip");
    let mut zip = ZipWriter::new(File::create(&path).expect("made"));
    for name in ["bad.md", "good.md"] {
        zip.start_file(name, stored()).expect("begun");
        zip.write_all(name.repeat(100).as_bytes()).expect("written");
    }
    zip.finish().expect("finished");
    let mut bytes = fs::read(&path).expect("read");
    let at = bytes.windows(12).position(|w| w == b"bad.mdbad.md").expect("there") + 100;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let said = left_out(&path, &folder.path().join("tmp"));
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("x.zip/bad.md: cannot be read as a zip archive"), "{said:?}");
    // Half of an archive has no list of its files.
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    assert!(unpack(&path, &folder.path().join("tmp"), |_, _| {}).is_err());
}

#[test]
fn what_a_killed_program_left_is_removed_and_what_is_in_use_stays() {
    let folder = TempDir::new().expect("a folder");
    let place = folder.path().join("tmp");
    fs::create_dir_all(place.join("unpacked-1-0/files")).expect("made");
    File::create(place.join("unpacked-1-0/lock")).expect("made");
    fs::create_dir_all(place.join("not-ours")).expect("made");
    let path = archive(folder.path(), &[("a.md", b"# A\n")]);
    let first = unpack(&path, &place, |_, _| {}).expect("unpacked");
    let second = unpack(&path, &place, |_, _| {}).expect("unpacked");
    assert!(!place.join("unpacked-1-0").exists());
    assert!(first.files().join("a.md").is_file() && second.files().join("a.md").is_file());
    drop((first, second));
    assert_eq!(fs::read_dir(&place).expect("a folder").count(), 1, "what is not ours stays");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_unpacked_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), flips in proptest::collection::vec((0..400_usize, any::<u8>()), 0..6)) {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("x.zip");
        fs::write(&path, &bytes).expect("written");
        let _ = unpack(&path, &folder.path().join("tmp"), |_, _| {});
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["a.md", "b/c.md"] {
            zip.start_file(name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).expect("begun");
            zip.write_all(&bytes).expect("written");
        }
        let mut good = zip.finish().expect("finished").into_inner();
        let length = good.len();
        for (at, with) in &flips {
            good[at % length] ^= with;
        }
        fs::write(&path, &good).expect("written");
        let _ = unpack(&path, &folder.path().join("tmp"), |_, _| {});
    }
}
