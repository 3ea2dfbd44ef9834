//! Files that are made to break who reads them: always an answer, in time, and the reader of the next file is well.

use std::io::Write as _;
use std::time::Instant;

use staffroom_node::blobs::Blobs;
use staffroom_node::exchange::reading::Reading;
use staffroom_node::reader::child::Job;
use staffroom_node::reader::{NoAnswer, Reader};
use staffroom_tests::processes::binary;

use super::lesson;

struct Ground {
    _folder: tempfile::TempDir,
    blobs: Blobs,
    reader: Reader,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::at(folder.path().join("blobs"));
        Self { reader: Reader::new(blobs.clone(), binary()), blobs, _folder: folder }
    }

    fn text(&self, bytes: &[u8]) -> Result<Reading, NoAnswer> {
        let id = self.blobs.add(bytes, &mut |_| {}).expect("stored").id();
        let begun = Instant::now();
        let answer = self.reader.text(&id);
        assert!(begun.elapsed() <= Job::Text.patience() * 2, "an answer in time");
        answer
    }

    /// What a file gets that must not be read to its end.
    fn why_not(&self, bytes: &[u8]) -> String {
        match self.text(bytes) {
            Err(NoAnswer::Nothing(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    fn is_well(&self) {
        assert_eq!(self.text(&lesson()).expect("read").title.as_deref(), Some("Fractions on a line"));
    }
}

/// A PDF of these objects, the first of them the catalogue.
fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n".to_vec();
    for (number, object) in objects.iter().enumerate() {
        out.extend(format!("{} 0 obj\n", number + 1).bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    out.extend_from_slice(b"trailer << /Root 1 0 R >>\n");
    out
}

fn page(content: Vec<u8>, resources: &str) -> Vec<Vec<u8>> {
    vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << {resources} >> >>")
            .into(),
        content,
    ]
}

fn stream(about: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("<< {about} /Length {} >>\nstream\n", content.len());
    [head.as_bytes(), content, b"\nendstream"].concat()
}

/// Forms of which each draws the next one ten times: ten to the power of their number.
fn forms_in_forms() -> Vec<u8> {
    let mut objects = page(stream("", &b"/X Do ".repeat(10)), "/XObject << /X 5 0 R >>");
    for next in 6..46 {
        let about =
            format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X {next} 0 R >> >>");
        objects.push(stream(&about, &b"/X Do ".repeat(10)));
    }
    pdf(&objects)
}

/// A page that unfolds to so many MiB of spaces.
fn unfolding(mebibytes: usize) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    (0..mebibytes).for_each(|_| packed.write_all(&spaces).expect("memory"));
    pdf(&page(stream("/Filter /FlateDecode", &packed.finish().expect("memory")), ""))
}

#[test]
fn a_file_that_never_ends_is_ended() {
    let ground = Ground::new();
    // Its time on a processor ends, or on a busy machine the patience of who waits: the one is kept, the other not.
    match ground.text(&forms_in_forms()) {
        Err(NoAnswer::Nothing(why) | NoAnswer::Failed(why)) => assert_eq!(why, "reading it took too long"),
        other => panic!("{other:?}"),
    }
    ground.is_well();
}

#[test]
fn a_file_that_fills_the_memory_is_ended() {
    let ground = Ground::new();
    assert_eq!(ground.why_not(&unfolding(700)), "reading it took too much memory, or more than the reader can follow");
    ground.is_well();
}

#[test]
fn a_picture_with_more_pixels_than_bytes_is_refused() {
    let ground = Ground::new();
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x75\x30\0\0\x75\x30\x08\x06\0\0\0".to_vec();
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..]);
    png.extend_from_slice(&crc.sum().to_be_bytes());
    png.extend_from_slice(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    let id = ground.blobs.add(&png[..], &mut |_| {}).expect("stored").id();
    match ground.reader.thumbnail(&id) {
        Err(NoAnswer::Nothing(why)) => assert_eq!(why, "it has too many pixels"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn changed_pdfs_are_answered() {
    let ground = Ground::new();
    let content = b"BT /F1 11 Tf 72 730 Td (Wait three seconds) Tj ET".to_vec();
    let mut objects = page(stream("", &content), "/Font << /F1 5 0 R >>");
    objects.push(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec());
    let whole = pdf(&objects);
    assert_eq!(ground.text(&whole).expect("read").text, "Wait three seconds");
    // A small generator of numbers, so that a failure can be repeated.
    let mut state = 0x5eed_u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(state >> 8).unwrap_or_default() % below
    };
    for round in 0..150 {
        let mut changed = whole.clone();
        for _ in 0..=random(4) {
            let at = random(changed.len());
            match random(3) {
                0 => changed[at] = u8::try_from(random(256)).expect("below 256"),
                1 => drop(changed.drain(at..changed.len().min(at + 1 + random(40)))),
                _ => {
                    let piece = whole[at.min(whole.len() - 1)..whole.len().min(at + 30)].to_vec();
                    changed.splice(at..at, piece);
                }
            }
        }
        match ground.text(&changed) {
            Ok(_) | Err(NoAnswer::Nothing(_)) => {}
            Err(other) => panic!("round {round}: {other:?}"),
        }
    }
    ground.is_well();
}

#[test]
fn where_no_process_can_be_started_it_is_said_and_not_kept() {
    let ground = Ground::new();
    let id = ground.blobs.add(&lesson()[..], &mut |_| {}).expect("stored").id();
    let without = Reader::new(ground.blobs.clone(), "/nowhere/share");
    assert!(matches!(without.text(&id), Err(NoAnswer::Failed(_))));
    assert!(ground.reader.text(&id).is_ok());
}
