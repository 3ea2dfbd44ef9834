//! Files as LibreOffice writes them. Where it is not installed, these say so and pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use staffroom_node::exchange::reading::{Reading, read};

const PAGE: &str = "<html><head><title>ignored</title></head><body><h1>Fractions on a number line</h1>\
    <p>Fold the paper strip &amp; mark the halves.</p><ul><li>First point</li><li>Second point</li></ul>\
    <table><tr><td>pupil</td><td>score</td></tr></table></body></html>";

const SLIDES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><office:document
    xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
    xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0"
    xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"
    xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
    xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"
    office:mimetype="application/vnd.oasis.opendocument.presentation"><office:automatic-styles>
    <style:style style:name="pr1" style:family="presentation"/></office:automatic-styles><office:master-styles>
    <style:master-page style:name="M" style:page-layout-name="L"/></office:master-styles><office:body><office:presentation>
    <draw:page draw:name="one" draw:master-page-name="M"><draw:frame presentation:style-name="pr1"
    presentation:class="title" svg:width="20cm" svg:height="3cm"
    svg:x="2cm" svg:y="1cm"><draw:text-box><text:p>Why the sky is blue</text:p></draw:text-box></draw:frame>
    <draw:frame svg:width="20cm" svg:height="9cm" svg:x="2cm" svg:y="5cm"><draw:text-box><text:p>Light scatters</text:p>
    </draw:text-box></draw:frame></draw:page></office:presentation></office:body></office:document>"#;

/// What LibreOffice makes of a file; nothing where it is not installed.
fn converted(folder: &Path, name: &str, text: &str, to: &str) -> Option<PathBuf> {
    let from = folder.join(name);
    fs::write(&from, text).expect("written");
    let profile = format!("-env:UserInstallation=file://{}", folder.join("profile").display());
    let ending = to.split(':').next().unwrap_or(to);
    let filter = match from.extension().and_then(|ending| ending.to_str()) {
        Some("html") => &["--infilter=HTML (StarWriter)"][..],
        // Commas, quotation marks, UTF-8.
        Some("csv") => &["--infilter=CSV:44,34,76"],
        _ => &[],
    };
    let office = Command::new("soffice")
        .args([&profile, "--headless", "--convert-to", to, "--outdir"])
        .arg(folder)
        .args(filter)
        .arg(&from)
        .output();
    let Ok(office) = office else {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: soffice is not installed\n");
        return None;
    };
    let made = from.with_extension(ending);
    assert!(made.exists(), "{}{}", String::from_utf8_lossy(&office.stdout), String::from_utf8_lossy(&office.stderr));
    Some(made)
}

fn reading(path: &Path) -> Reading {
    read(&fs::read(path).expect("read")).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn texts_of_libreoffice_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for to in ["docx:Office Open XML Text", "odt:writer8", "pdf:writer_pdf_Export"] {
        let Some(path) = converted(folder.path(), "page.html", PAGE, to) else { return };
        let read = reading(&path);
        assert!(
            read.title.as_deref() == Some("Fractions on a number line") || read.title.as_deref() == Some("ignored"),
            "{to}: {read:?}"
        );
        for words in ["Fold the paper strip & mark the halves.", "First point", "Second point", "pupil", "score"] {
            assert!(read.text.contains(words), "{to}: {words:?} in {:?}", read.text);
        }
    }
}

#[test]
fn tables_of_libreoffice_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for to in ["xlsx", "ods"] {
        let Some(path) = converted(folder.path(), "reading.csv", "name,reading age\nMaya,12\nJosé,11\n", to) else {
            return;
        };
        let text = reading(&path).text;
        for words in ["name\treading age", "Maya", "José"] {
            assert!(text.contains(words), "{to}: {words:?} in {text:?}");
        }
    }
}

#[test]
fn slides_of_libreoffice_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for to in ["pptx", "odp", "pdf"] {
        let Some(path) = converted(folder.path(), "talk.fodp", SLIDES, to) else { return };
        let read = reading(&path);
        // In this PDF all lines are of one height: it names no title.
        assert_eq!(read.title.as_deref(), (to != "pdf").then_some("Why the sky is blue"), "{to}: {read:?}");
        assert!(read.text.contains("Light scatters"), "{to}: {read:?}");
    }
}
