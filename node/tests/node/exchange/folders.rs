//! Folders and files.

use std::{fs, path::Path};

use staffroom_node::exchange::{Draft, Options, Reason, Refusal, folder};
use tempfile::TempDir;

/// A folder named `pages` with these files.
fn folder_of(files: &[(&str, &str)]) -> TempDir {
    let home = TempDir::new().expect("a folder");
    for (name, text) in files {
        let path = home.path().join("pages").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    home
}

fn read_all(path: &Path) -> Vec<Result<Draft, Refusal>> {
    let plan = folder::scan(path).expect("scanned");
    plan.files.iter().map(|file| folder::read(&plan, file, &Options::default())).collect()
}

fn sources(path: &Path) -> Vec<String> {
    let plan = folder::scan(path).expect("scanned");
    plan.files.iter().map(|file| plan.source(file)).collect()
}

#[test]
fn a_folder_is_walked_in_order_without_leftovers() {
    let home = folder_of(&[
        ("b.md", "# B"),
        ("a/z.md", "# Z"),
        ("a/sheet.docx", "x"),
        (".hidden.md", "x"),
        (".git/config", "x"),
        ("b.md~", "x"),
        ("b.bak", "x"),
        ("~$sheet.docx", "x"),
        ("Thumbs.db", "x"),
    ]);
    let pages = home.path().join("pages");
    assert_eq!(sources(&pages), ["pages/a/sheet.docx", "pages/a/z.md", "pages/b.md"]);
    assert_eq!(folder::scan(&pages).expect("scanned").bytes, 7);
    let drafts = read_all(&pages);
    let sheet = drafts[0].as_ref().expect("read");
    assert_eq!((sheet.title(), sheet.source(), sheet.state()), ("Sheet", "pages/a/sheet.docx", "published"));
    assert_eq!(sheet.attachments[0].bytes, 1);
    assert!(sheet.attachments[0].media_type.contains("wordprocessingml"));
}

#[test]
fn one_file_is_named_by_itself() {
    let home = folder_of(&[("b.md", "text"), ("x.png", "x")]);
    let drafts = read_all(&home.path().join("pages/b.md"));
    let draft = drafts[0].as_ref().expect("read");
    assert_eq!((draft.title(), draft.source()), ("B", "b.md"));
}

#[test]
fn pictures_that_are_shown_are_attached_and_no_records() {
    let page = "![](fig/a.png) ![](fig/a.png \"again\") ![](./fig/../fig/a.png) ![r][r]\n<img src=\"fig/b.png\">\n\n\
        ![gone](fig/gone.png) ![gone](fig/gone.png)\n![far](https://example.org/x.png)\n\n[r]: fig/gone%20too.png\n";
    let home = folder_of(&[("unit/page.md", page), ("unit/fig/a.png", "1"), ("unit/fig/b.png", "22"), ("c.png", "3")]);
    let pages = home.path().join("pages");
    assert_eq!(sources(&pages), ["pages/c.png", "pages/unit/page.md"]);
    let drafts = read_all(&pages);
    let draft = drafts[1].as_ref().expect("read");
    let attached: Vec<_> = draft.attachments.iter().map(|one| (one.name.as_str(), one.bytes)).collect();
    assert_eq!(attached, [("a.png", 1), ("b.png", 2)]);
    assert_eq!(draft.warnings, ["the figure fig/gone%20too.png is missing", "the figure fig/gone.png is missing"]);
}

#[test]
fn nothing_outside_the_folder_is_attached() {
    let home = folder_of(&[
        ("page.md", "![](../secret.png) ![](%2e%2e/secret.png) ![](.env) ![](deep/../../secret.png)"),
        (".env", "x"),
    ]);
    fs::write(home.path().join("secret.png"), "x").expect("written");
    let drafts = read_all(&home.path().join("pages"));
    let draft = drafts[0].as_ref().expect("read");
    assert!(draft.attachments.is_empty());
    assert_eq!(draft.warnings.len(), 4);
    assert!(draft.warnings.iter().all(|warning| warning.contains("outside")), "{:?}", draft.warnings);
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_or_round() {
    use std::os::unix::fs::symlink;
    let home = folder_of(&[("page.md", "![](out.png) ![](in.png)"), ("real.png", "x")]);
    let pages = home.path().join("pages");
    fs::write(home.path().join("secret.md"), "secret").expect("written");
    fs::write(home.path().join("secret.png"), "secret").expect("written");
    symlink("../secret.md", pages.join("secret.md")).expect("linked");
    symlink("../secret.png", pages.join("out.png")).expect("linked");
    symlink("real.png", pages.join("in.png")).expect("linked");
    symlink(".", pages.join("round")).expect("linked");
    symlink("nowhere.md", pages.join("broken.md")).expect("linked");
    let plan = folder::scan(&pages).expect("scanned");
    let found: Vec<_> = plan.files.iter().map(|file| plan.source(file)).collect();
    assert_eq!(found, ["pages/page.md", "pages/real.png"]);
    let left_out: Vec<_> = plan.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left_out.len(), 4, "{left_out:?}");
    let draft = folder::read(&plan, &plan.files[0], &Options::default()).expect("read");
    assert_eq!(draft.attachments.len(), 1);
    assert_eq!(draft.warnings, ["the figure out.png lies outside the published folder and is left out"]);
    let outside = folder::read(&plan, &home.path().join("secret.md"), &Options::default());
    assert_eq!(outside.expect_err("refused").why, Reason::Outside);
    let linked = folder::read(&plan, &pages.join("secret.md"), &Options::default());
    assert_eq!(linked.expect_err("refused").why, Reason::Outside);
}

#[test]
fn one_bad_file_stops_no_other() {
    let home = folder_of(&[("a.md", "# A"), ("b.md", "x"), ("c.md", "# C")]);
    let bad = home.path().join("pages/b.md");
    fs::write(&bad, b"\xff\xfea\0").expect("written");
    let drafts = read_all(&home.path().join("pages"));
    let refusal = drafts[1].as_ref().expect_err("refused");
    assert_eq!(refusal.to_string(), "pages/b.md: is not text in UTF-8");
    assert!(drafts[0].is_ok() && drafts[2].is_ok());
}

#[test]
fn a_huge_text_is_refused_unread() {
    let home = folder_of(&[("a.md", "")]);
    let path = home.path().join("pages/a.md");
    fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(5 << 30)).expect("made long");
    let drafts = read_all(&path);
    let refusal = drafts[0].as_ref().expect_err("refused");
    assert_eq!(refusal.to_string(), "a.md: is too long for a text: 5368709120 bytes, at most 65536");
    assert!(refusal.hints[0].contains("attach"));
}

#[test]
fn what_is_not_there_is_said() {
    let refusal = folder::scan(Path::new("/no/such/thing.md")).expect_err("refused");
    assert_eq!(refusal.to_string(), "/no/such/thing.md: there is no such file or folder");
}
