//! OpenDocument (OASIS, version 1.3, part 3): texts, presentations and spreadsheets, as LibreOffice writes them.

use std::collections::BTreeSet;

use super::container::{Container, OpenDocument};
use super::words::Words;
use super::xml::Node;
use super::{NoText, Reading, title};

/// What is inside is not part of the text: comments, what was deleted, fields of the page.
const PASSED_OVER: [&str; 6] = ["annotation", "tracked-changes", "page-number", "page-count", "date-time", "footer"];
/// How many styles of a document are known.
const STYLES: usize = 20_000;

pub(super) fn read(container: &mut Container<'_>, kind: OpenDocument) -> Result<Reading, NoText> {
    let mut words = Words::default();
    let mut page = Page::new(kind);
    let there = container.walk("content.xml", &mut |node| {
        page.node(node, &mut words);
        !words.is_full()
    })?;
    if !there {
        return Err(NoText::Damaged("its text is missing".to_owned()));
    }
    let read = words.done();
    let own = container.element("meta.xml", "title")?;
    Ok(Reading { title: own.and_then(|own| title::property(&own)).or(read.title), ..read })
}

struct Page {
    kind: OpenDocument,
    /// Styles that are a title, by their names: that of the program, and those made from it.
    titles: BTreeSet<String>,
    in_body: bool,
    /// Where the title that is open begins.
    title: Option<usize>,
    paragraphs: usize,
    cells: usize,
    passed_over: usize,
    /// Whether the frame that is open is the title of a slide.
    in_title_frame: bool,
}

impl Page {
    fn new(kind: OpenDocument) -> Self {
        Self {
            kind,
            titles: BTreeSet::from(["Title".to_owned()]),
            in_body: false,
            title: None,
            paragraphs: 0,
            cells: 0,
            passed_over: 0,
            in_title_frame: false,
        }
    }

    fn node(&mut self, node: Node<'_>, words: &mut Words) {
        match node {
            Node::Open("style", attributes) if !self.in_body => {
                let made_from = attributes.get("parent-style-name").unwrap_or_default();
                if self.titles.contains(&made_from) && self.titles.len() < STYLES {
                    self.titles.extend(attributes.exactly("style:name"));
                }
            }
            Node::Open("body", _) => self.in_body = true,
            _ if !self.in_body => {}
            Node::Open(name, _) if PASSED_OVER.contains(&name) => self.passed_over += 1,
            Node::Close(name) if PASSED_OVER.contains(&name) => self.passed_over = self.passed_over.saturating_sub(1),
            _ if self.passed_over > 0 => {}
            Node::Open("table", attributes) if self.kind == OpenDocument::Spreadsheet => {
                words.push(&attributes.exactly("table:name").unwrap_or_default());
                words.line();
            }
            Node::Open("frame", attributes) => {
                self.in_title_frame = attributes.get("class").is_some_and(|class| class == "title");
                if self.in_title_frame {
                    self.title = Some(words.len());
                }
            }
            Node::Close("frame") if self.in_title_frame => {
                self.in_title_frame = false;
                self.end_title(words);
            }
            Node::Open(name @ ("p" | "h"), attributes) => {
                self.paragraphs += 1;
                let style = attributes.exactly("text:style-name").unwrap_or_default();
                let is_title = name == "h" || self.titles.contains(&style);
                if is_title && self.kind == OpenDocument::Text {
                    self.title = Some(words.len());
                }
            }
            Node::Close("p" | "h") => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                if !self.in_title_frame {
                    self.end_title(words);
                }
                if self.cells > 0 { words.space() } else { words.line() }
            }
            Node::Text(text) if self.paragraphs > 0 => words.push(&text),
            Node::Open("s" | "tab" | "line-break", _) => words.space(),
            Node::Open("table-cell", _) => self.cells += 1,
            Node::Close("table-cell") => {
                self.cells = self.cells.saturating_sub(1);
                words.tab();
            }
            Node::Close("table-row") => words.line(),
            Node::Close("page" | "table") => words.part(),
            _ => {}
        }
    }

    fn end_title(&mut self, words: &mut Words) {
        if let Some(start) = self.title.take() {
            let said = words.since(start).to_owned();
            words.heading(&said);
        }
    }
}
