//! The zip files that documents are (ISO/IEC 29500-2, OpenDocument 1.3 part 2), read part by part.
//!
//! A part is unpacked as it is walked, and all parts together to a bound: a few kilobytes that unfold to a
//! terabyte end there. What is not asked for by name is never unpacked.

use std::io::{self, BufReader, Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::xml::{Node, walk};
use super::{NoText, UNFOLDED};

/// What a zip file begins with.
pub(super) const SIGNATURE: &[u8] = b"PK\x03\x04";
/// How many relations of one part are followed: a presentation has one for each slide.
const RELATIONS: usize = 10_000;
/// The longest element that is read as a whole, bytes: titles.
const ELEMENT: usize = 4_096;

/// An opened container.
pub(super) struct Container<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// How much may still be unpacked.
    left: u64,
}

/// Where a part leads.
pub(super) struct Relation {
    /// The name by which the part calls it.
    pub(super) id: String,
    /// What it is: the last word of its type, such as `slide`.
    pub(super) kind: String,
    /// The part that it leads to.
    pub(super) target: String,
}

/// The kinds of OpenDocument files that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenDocument {
    /// Text and others that read from top to bottom.
    Text,
    /// Slides.
    Presentation,
    /// Tables.
    Spreadsheet,
}

impl<'a> Container<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, NoText> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(no_text)?;
        Ok(Self { zip, left: UNFOLDED })
    }

    /// Walks a part; says whether there is one of this name.
    pub(super) fn walk(&mut self, part: &str, visit: &mut dyn FnMut(Node<'_>) -> bool) -> Result<bool, NoText> {
        let file = match self.zip.by_name(part) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(false),
            Err(error) => return Err(no_text(error)),
        };
        let mut bounded = Bounded { from: file, left: &mut self.left, more: false };
        let walked = walk(BufReader::new(&mut bounded), visit);
        if bounded.more {
            return Err(NoText::TooMuch("it unfolds to more than any document has"));
        }
        walked.map(|()| true)
    }

    /// The text of the first element of a name in a part.
    pub(super) fn element(&mut self, part: &str, name: &str) -> Result<Option<String>, NoText> {
        let (mut inside, mut found) = (false, String::new());
        self.walk(part, &mut |node| {
            match node {
                Node::Open(open, _) => inside |= open == name,
                Node::Text(text) if inside && found.len() + text.len() <= ELEMENT => found.push_str(&text),
                Node::Close(close) => return !(inside && close == name),
                Node::Text(_) => {}
            }
            true
        })?;
        Ok(Some(found).filter(|found| !found.is_empty()))
    }

    /// The name of a part's first element.
    pub(super) fn root(&mut self, part: &str) -> Result<Option<String>, NoText> {
        let mut root = None;
        self.walk(part, &mut |node| {
            if let Node::Open(name, _) = node {
                root = Some(name.to_owned());
            }
            root.is_none()
        })?;
        Ok(root)
    }

    /// Where a part leads; the empty name is the container's own.
    pub(super) fn relations(&mut self, part: &str) -> Result<Vec<Relation>, NoText> {
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
        let of = if folder.is_empty() { format!("_rels/{name}.rels") } else { format!("{folder}/_rels/{name}.rels") };
        let mut relations = Vec::new();
        self.walk(&of, &mut |node| {
            if let Node::Open("Relationship", attributes) = node
                && attributes.get("TargetMode").is_none_or(|mode| mode != "External")
                && let (Some(id), Some(kind), Some(target)) =
                    (attributes.get("Id"), attributes.get("Type"), attributes.get("Target"))
            {
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                relations.push(Relation { id, kind, target: resolved(folder, &target) });
            }
            relations.len() < RELATIONS
        })?;
        Ok(relations)
    }

    /// Which kind of OpenDocument file it is, if it is one. One with a password is refused.
    pub(super) fn open_document(&mut self) -> Result<Option<OpenDocument>, NoText> {
        let mut said = Vec::new();
        match self.zip.by_name("mimetype") {
            Ok(file) => {
                let read = file.take(128).read_to_end(&mut said);
                read.map_err(|error| NoText::Damaged(error.to_string()))?;
            }
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(no_text(error)),
        }
        let said = String::from_utf8_lossy(&said);
        let Some(kind) = said.trim().strip_prefix("application/vnd.oasis.opendocument.") else { return Ok(None) };
        let kind = match kind.trim_end_matches("-template") {
            "presentation" => OpenDocument::Presentation,
            "spreadsheet" => OpenDocument::Spreadsheet,
            _ => OpenDocument::Text,
        };
        let mut encrypted = false;
        self.walk("META-INF/manifest.xml", &mut |node| {
            encrypted |= matches!(node, Node::Open("encryption-data", _));
            !encrypted
        })?;
        if encrypted { Err(NoText::Encrypted) } else { Ok(Some(kind)) }
    }
}

/// Reads on until nothing is left of a bound that several parts share.
struct Bounded<'b, R> {
    from: R,
    left: &'b mut u64,
    /// Whether there was more.
    more: bool,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)? as u64;
        self.more |= read > *self.left;
        let read = read.min(*self.left);
        *self.left -= read;
        Ok(usize::try_from(read).unwrap_or_default())
    }
}

/// A name that a part of a folder gives, as the container knows it.
fn resolved(folder: &str, target: &str) -> String {
    let start = if target.starts_with('/') { "" } else { folder };
    let mut names: Vec<&str> = start.split('/').filter(|name| !name.is_empty()).collect();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

fn no_text(error: ZipError) -> NoText {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => NoText::Encrypted,
        error => NoText::Damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_where_they_say() {
        assert_eq!(resolved("ppt", "slides/slide1.xml"), "ppt/slides/slide1.xml");
        assert_eq!(resolved("ppt/slides", "../notesSlides/a.xml"), "ppt/notesSlides/a.xml");
        assert_eq!(resolved("ppt", "/docProps/core.xml"), "docProps/core.xml");
        assert_eq!(resolved("", "../../etc/passwd"), "etc/passwd");
    }
}
