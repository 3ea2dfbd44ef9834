//! Documents: the file as it is, or, so that no checksum stands in the way, the parts of a container.
//!
//! After a first byte `w`, `s`, `t` or `o` the rest are parts, each ended by a byte 255: the main one, then
//! those that it leads to.
#![no_main]

use std::io::{Cursor, Write as _};

use libfuzzer_sys::fuzz_target;
use staffroom_node::exchange::reading::read;
use zip::write::{SimpleFileOptions, ZipWriter};

const ROOT: &str = r#"<Relationships><Relationship Id="a" Type="x/officeDocument" Target="main.xml"/><Relationship Id="b" Type="x/core-properties" Target="core.xml"/></Relationships>"#;
const TEXT: &[u8] = b"application/vnd.oasis.opendocument.text";

fn container(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in parts {
        zip.start_file(*name, stored).expect("memory");
        zip.write_all(bytes).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes);
    let Some((first, rest)) = bytes.split_first() else { return };
    let mut parts = rest.split(|byte| *byte == 255);
    let mut part = || parts.next().unwrap_or_default();
    let made = match first {
        b'w' | b's' | b't' => container(&[
            ("_rels/.rels", ROOT.as_bytes()),
            ("main.xml", part()),
            ("_rels/main.xml.rels", part()),
            ("one.xml", part()),
            ("two.xml", part()),
            ("core.xml", part()),
        ]),
        b'o' => container(&[("mimetype", TEXT), ("content.xml", part()), ("meta.xml", part())]),
        _ => return,
    };
    let _ = read(&made);
});
