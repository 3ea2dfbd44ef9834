//! What is in attached files: their titles and words, their small pictures, and what photos do not tell.

mod hostile;
mod office;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::Value;
use staffroom_tests::processes::{json, run};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::set_up;

/// What a photo must not tell.
const SECRET: &[u8] = b"SECRET-53.4808N-2.2426W";

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    set_up(&home.path().join("home"), "Hillside Primary");
    home
}

fn path(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, bytes).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

/// What was said of the one record that was published.
fn published(home: &Path, args: &[&str]) -> Value {
    let output = run(home, &[&["--json", "publish"], args].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_else(|_| panic!("{text}\n{errors}"))
}

pub(super) fn docx(body: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let relation =
        "<Relationships><Relationship Id=\"r\" Type=\"http://x/officeDocument\" Target=\"d.xml\"/></Relationships>";
    let styles = "<Relationships><Relationship Id=\"s\" Type=\"http://x/styles\" Target=\"s.xml\"/></Relationships>";
    let style = "<w:styles><w:style w:styleId=\"T\"><w:name w:val=\"Title\"/></w:style></w:styles>";
    let document = format!("<w:document>{body}</w:document>");
    for (name, text) in
        [("_rels/.rels", relation), ("_rels/d.xml.rels", styles), ("s.xml", style), ("d.xml", document.as_str())]
    {
        zip.start_file(name, SimpleFileOptions::default()).expect("a part");
        zip.write_all(text.as_bytes()).expect("written");
    }
    zip.finish().expect("a zip").into_inner()
}

fn lesson() -> Vec<u8> {
    docx(
        "<w:p><w:pPr><w:pStyle w:val=\"T\"/></w:pPr><w:r><w:t>Fractions on a line</w:t></w:r></w:p>\
         <w:p><w:r><w:t>Fold the paper strip.</w:t></w:r></w:p>",
    )
}

/// A wide photo that says that it stands on its side, and where it was taken.
fn photo() -> Vec<u8> {
    let dots = RgbImage::from_fn(900, 300, |x, y| Rgb([(x % 251) as u8, (y % 241) as u8, 90]));
    let mut plain = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(dots).write_to(&mut plain, ImageFormat::Jpeg).expect("encoded");
    let plain = plain.into_inner();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend_from_slice(SECRET);
    let length = u16::try_from(exif.len() + 2).expect("short").to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, &exif, &plain[2..], SECRET].concat()
}

fn holds(folder: &Path, what: &[u8]) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds(&path, what);
        }
        fs::read(&path).is_ok_and(|bytes| bytes.windows(what.len()).any(|window| window == what))
    })
}

#[test]
fn a_document_is_titled_by_itself_and_its_words_are_printed() {
    let folder = home();
    let home = folder.path().join("home");
    let file = path(folder.path(), "Y7 maths v3 FINAL.docx", &lesson());
    let first = published(&home, &[&file]);
    assert_eq!((&first["title"], &first["outcome"]), (&"Fractions on a line".into(), &"created".into()));
    assert_eq!(published(&home, &[&file])["outcome"], "unchanged");
    let id = first["id"].as_str().expect("an id");
    let text = || {
        let output = run(&home, &["get", id, "Y7 maths v3 FINAL.docx", "--text"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(text(), "Fractions on a line\nFold the paper strip.\n");
    assert!(holds(&home.join("cache/texts"), b"Fold the paper strip."));
    fs::remove_dir_all(home.join("cache")).expect("removed");
    assert_eq!(text(), "Fractions on a line\nFold the paper strip.\n");
    let told = json(&home, &["get", id, "Y7 maths v3 FINAL.docx", "--text"]);
    assert_eq!((&told["title"], &told["cut"]), (&"Fractions on a line".into(), &false.into()));

    assert_eq!(published(&home, &[&file, "--title", "Mine"])["title"], "Mine");
    // A file that cannot be read is shared under its name.
    let broken = path(folder.path(), "broken_file.docx", b"PK\x03\x04 and nothing else");
    let broken = published(&home, &[&broken]);
    assert_eq!(broken["title"], "Broken file");
    let output = run(&home, &["get", broken["id"].as_str().expect("an id"), "broken_file.docx", "--text"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.starts_with("error: broken_file.docx: it is damaged: "), "{said}");
}

#[test]
fn a_published_photo_does_not_say_where_it_was_taken() {
    let folder = home();
    let home = folder.path().join("home");
    let alone = path(folder.path(), "IMG_2041.jpg", &photo());
    let first = published(&home, &[&alone]);
    assert_eq!(first["outcome"], "created");
    assert_eq!(published(&home, &[&alone])["outcome"], "unchanged", "the same file is the same blob");
    path(folder.path(), "trip/page.md", b"# Our trip\n\n![us](fig/us.jpg) ![her](fig/her.heic)\n");
    path(folder.path(), "trip/fig/us.jpg", &[&photo()[..], b"and more"].concat());
    let heic = [b"\0\0\0\x18ftypheic", SECRET].concat();
    path(folder.path(), "trip/fig/her.heic", &heic);
    let page = published(
        &home,
        &[&path(folder.path(), "trip/page.md", b"# Our trip\n\n![us](fig/us.jpg) ![her](fig/her.heic)\n")],
    );
    assert_eq!(
        page["warnings"],
        serde_json::json!([
            "her.heic is a picture of a kind (HEIC) from which the place where it was taken cannot be removed, and is left out"
        ])
    );
    let files = json(&home, &["show", page["id"].as_str().expect("an id")]);
    assert_eq!(files["blobs"].as_array().map(Vec::len), Some(1));

    let refused = run(&home, &["publish", &path(folder.path(), "IMG_1.HEIC", &heic)]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the place where it was taken cannot be removed") && said.contains("Save it as JPEG"),
        "{said}"
    );
    assert!(!holds(&home, SECRET), "the place is nowhere under the home");
}

#[test]
fn a_small_picture_is_the_right_way_up() {
    let folder = home();
    let home = folder.path().join("home");
    let record = published(&home, &[&path(folder.path(), "board.jpg", &photo())]);
    let id = record["id"].as_str().expect("an id");
    let small = folder.path().join("small.jpg");
    let small = small.to_str().expect("UTF-8");
    let told = json(&home, &["get", id, "board.jpg", "--thumbnail", "--to", small]);
    assert_eq!((told["width"].as_u64(), told["height"].as_u64()), (Some(160), Some(480)));
    let picture = image::open(small).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (160, 480));
    let again = run(&home, &["get", id, "board.jpg", "--thumbnail", "--to", small]);
    assert_eq!(again.status.code(), Some(4), "nothing is overwritten");
    let other = published(&home, &[&path(folder.path(), "plan.docx", &lesson())]);
    let other = other["id"].as_str().expect("an id");
    let none = run(&home, &["get", other, "plan.docx", "--thumbnail", "--to", &format!("{small}2")]);
    assert_eq!(none.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&none.stderr).contains("JPEG, PNG and WebP only"));
}
