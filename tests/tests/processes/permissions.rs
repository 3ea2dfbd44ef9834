//! Files that the person who runs `share` may not read.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use staffroom_tests::processes::binary;

/// A user without rights, where the test itself runs as root, whom no permission stops.
const NOBODY: u32 = 65_534;

#[test]
fn what_may_not_be_read_is_named_and_nothing_else_is_held_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = folder.path();
    let root = fs::metadata(base).expect("just made").uid() == 0;
    // The program may lie where only root may look.
    let share = base.join("share");
    fs::copy(binary(), &share).expect("copied");
    let run = |args: &[&str]| {
        let mut command = Command::new(&share);
        command.current_dir(base).args(["--home", "h"]).args(args).env_remove("SHARE_HOME").env("NO_COLOR", "1");
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().expect("share starts");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let give = |path: &Path| {
        if root {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
    };
    give(base);
    let pages = base.join("pages");
    fs::create_dir(&pages).expect("made");
    for (name, mode) in [("open.md", 0o644), ("locked.md", 0o000)] {
        let page = pages.join(name);
        fs::write(&page, "# A page\n\nWith a text.\n").expect("written");
        fs::set_permissions(&page, fs::Permissions::from_mode(mode)).expect("its owner may");
    }
    fs::copy(pages.join("open.md"), base.join("locked.jsonl")).expect("copied");
    fs::set_permissions(base.join("locked.jsonl"), fs::Permissions::from_mode(0o000)).expect("its owner may");

    assert_eq!(run(&["init", "--school", "Hillside Primary"]).0, Some(0));
    let (code, said) = run(&["publish", "pages"]);
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("refused: pages/locked.md: cannot be read: this user may not read it"), "{said}");
    assert!(said.contains("created 1, updated 0, unchanged 0, refused 1"), "{said}");
    let (code, said) = run(&["import", "locked.jsonl"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("locked.jsonl: cannot be read: this user may not read it"), "{said}");

    // A folder that may not be entered, and a home that belongs to somebody else.
    fs::set_permissions(&pages, fs::Permissions::from_mode(0o000)).expect("its owner may");
    let (code, said) = run(&["publish", "pages"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("pages: cannot be read: this user may not read it"), "{said}");
    fs::set_permissions(base.join("h/store.redb"), fs::Permissions::from_mode(0o000)).expect("its owner may");
    let (code, said) = run(&["list"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the store h/store.redb: this user may not read and write it"), "{said}");
    fs::set_permissions(base.join("h/secrets/device.key"), fs::Permissions::from_mode(0o000)).expect("its owner may");
    let (code, said) = run(&["list"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("device.key") && said.contains("hint: run share as the user"), "{said}");
    fs::set_permissions(base.join("h"), fs::Permissions::from_mode(0o000)).expect("its owner may");
    for verb in [&["list"][..], &["init", "--school", "Another"], &["serve"]] {
        let (code, said) = run(verb);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("cannot read h/identity.json") && said.contains("hint: run share as"), "{said}");
    }
}
