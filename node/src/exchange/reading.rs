//! What is in a file that somebody attached: its title and its words, or a small picture of it.
//!
//! ```text
//! bytes ─▶ read ─┬─▶ container (zip) ─▶ xml ─┬─▶ word, slides, sheets    docx, pptx, xlsx
//!                │                           └─▶ open_document           odt, odp, ods
//!                └─▶ pdf
//! bytes ─▶ thumbnail::make                                               JPEG, PNG, WebP
//! ```
//!
//! Pure functions over bytes; what a file is, its content says and not its name. Macros, scripts, links,
//! what is embedded and what was deleted are never looked at; comments are left out, as they are seldom
//! meant for other schools. Each step is bounded ([`LONGEST`], [`UNFOLDED`], [`TEXT`]); but the libraries
//! for PDF and pictures may still panic, loop or fill the memory with a file that was made to do that. So
//! nothing but [`crate::reader`] calls these, in a process of its own that has hard limits.

mod container;
mod open_document;
mod pdf;
mod sheets;
mod slides;
pub mod thumbnail;
mod title;
mod word;
mod words;
mod xml;

use serde::{Deserialize, Serialize};

/// The longest file that is read, bytes: it is held in memory.
pub const LONGEST: u64 = 64 << 20;
/// How much text is taken out of a file, bytes: what search and a preview need of the longest books.
pub const TEXT: usize = 256 << 10;
/// How much is unpacked of a container, bytes: a book of a thousand pages is a tenth of that.
const UNFOLDED: u64 = 64 << 20;
/// How many bytes of a file [`may_have_text`] looks at.
pub const HEAD: usize = 1_024;

/// What was read out of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Its title, where it says one: its own, else its first heading or its first slide's.
    pub title: Option<String>,
    /// Its words, a paragraph a line; at most [`TEXT`] bytes.
    pub text: String,
    /// Whether there is more text than that.
    pub cut: bool,
}

/// Why no text could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    /// Not one of the formats that are read.
    #[error("no text is read out of files of this kind")]
    UnknownFormat,
    /// An Office file as it was before 2007, or one under a password, which looks the same.
    #[error("it is an old Office file, or one with a password")]
    OldOffice,
    /// It asks for a password.
    #[error("it has a password")]
    Encrypted,
    /// It breaks off, or does not keep to its format.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It is made to fill the memory, or far larger than any document.
    #[error("there is too much in it: {0}")]
    TooMuch(&'static str),
    /// It is in order, and there is no text in it: scanned pages, drawings.
    #[error("there is no text in it")]
    Nothing,
}

/// Whether it is worth trying: a document by its first bytes.
pub fn may_have_text(head: &[u8]) -> bool {
    head.starts_with(container::SIGNATURE) || is_pdf(head)
}

/// A PDF may have something before its first line (ISO 32000-1, annex H, note 13).
fn is_pdf(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    head.windows(5).any(|five| five == b"%PDF-")
}

/// Reads a document.
pub fn read(bytes: &[u8]) -> Result<Reading, NoText> {
    let read = if bytes.starts_with(container::SIGNATURE) {
        read_container(bytes)?
    } else if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Err(NoText::OldOffice);
    } else if is_pdf(bytes) {
        pdf::read(bytes)?
    } else {
        return Err(NoText::UnknownFormat);
    };
    if read.text.is_empty() && read.title.is_none() { Err(NoText::Nothing) } else { Ok(read) }
}

fn read_container(bytes: &[u8]) -> Result<Reading, NoText> {
    let mut container = container::Container::open(bytes)?;
    if let Some(kind) = container.open_document()? {
        return open_document::read(&mut container, kind);
    }
    let main = container.relations("")?;
    let Some(document) = main.iter().find(|relation| relation.kind == "officeDocument") else {
        return Err(NoText::UnknownFormat);
    };
    // What the main part is, its first element says.
    let read = match container.root(&document.target)?.as_deref() {
        Some("document") => word::read(&mut container, &document.target)?,
        Some("presentation") => slides::read(&mut container, &document.target)?,
        Some("workbook") => sheets::read(&mut container, &document.target)?,
        _ => return Err(NoText::UnknownFormat),
    };
    let core = main.iter().find(|relation| relation.kind == "core-properties");
    let own = core.map(|core| container.element(&core.target, "title")).transpose()?.flatten();
    Ok(Reading { title: own.and_then(|own| title::property(&own)).or(read.title), ..read })
}
