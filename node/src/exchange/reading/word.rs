//! Word's documents (ISO/IEC 29500-1, clause 17): paragraphs in order, and which of them is the title.

use std::collections::BTreeSet;

use super::container::Container;
use super::words::Words;
use super::xml::Node;
use super::{NoText, Reading};

/// What is inside is there twice, or not there any more: a drawing for old programs, text that was moved away.
const PASSED_OVER: [&str; 3] = ["Fallback", "moveFrom", "instrText"];
/// How many styles of a document are known: Word's own are below four hundred.
const STYLES: usize = 5_000;

pub(super) fn read(container: &mut Container<'_>, part: &str) -> Result<Reading, NoText> {
    let relations = container.relations(part)?;
    let styles = relations.iter().find(|relation| relation.kind == "styles");
    let headings = styles.map(|styles| headings(container, &styles.target)).transpose()?.unwrap_or_default();
    let mut words = Words::default();
    let mut page = Page { headings, ..Page::default() };
    container.walk(part, &mut |node| {
        page.node(node, &mut words);
        !words.is_full()
    })?;
    Ok(words.done())
}

/// The ids of the styles that are titles and headings. Ids are in the writer's language, names are not.
fn headings(container: &mut Container<'_>, part: &str) -> Result<BTreeSet<String>, NoText> {
    let mut headings = BTreeSet::new();
    let mut style = None;
    container.walk(part, &mut |node| {
        match node {
            Node::Open("style", attributes) => style = attributes.get("styleId"),
            Node::Open("name", attributes) => {
                let name = attributes.get("val").unwrap_or_default().to_lowercase();
                if name == "title" || name.starts_with("heading ") {
                    headings.extend(style.take());
                }
            }
            _ => {}
        }
        headings.len() < STYLES
    })?;
    Ok(headings)
}

#[derive(Default)]
struct Page {
    headings: BTreeSet<String>,
    /// Where the text of each open paragraph begins: a text box has paragraphs inside of one.
    paragraphs: Vec<usize>,
    is_heading: bool,
    /// How many runs, texts and passed over elements are open.
    runs: usize,
    texts: usize,
    passed_over: usize,
}

impl Page {
    fn node(&mut self, node: Node<'_>, words: &mut Words) {
        match node {
            Node::Open(name, _) if PASSED_OVER.contains(&name) => self.passed_over += 1,
            Node::Close(name) if PASSED_OVER.contains(&name) => self.passed_over = self.passed_over.saturating_sub(1),
            _ if self.passed_over > 0 => {}
            Node::Open("p", _) => {
                self.paragraphs.push(words.len());
                self.is_heading = false;
            }
            Node::Open("pStyle", attributes) => {
                self.is_heading = attributes.get("val").is_some_and(|style| self.headings.contains(&style));
            }
            Node::Open("r", _) => self.runs += 1,
            Node::Close("r") => self.runs = self.runs.saturating_sub(1),
            Node::Open("t", _) => self.texts += 1,
            Node::Close("t") => self.texts = self.texts.saturating_sub(1),
            Node::Open("tab" | "ptab", _) if self.runs > 0 => words.space(),
            Node::Open("br" | "cr", _) if self.runs > 0 => words.line(),
            Node::Open("noBreakHyphen", _) => words.push("-"),
            Node::Text(text) if self.texts > 0 => words.push(&text),
            Node::Close("p") => {
                let start = self.paragraphs.pop();
                if let Some(start) = start.filter(|_| self.is_heading) {
                    let heading = words.since(start).to_owned();
                    words.heading(&heading);
                }
                self.is_heading = false;
                words.line();
            }
            _ => {}
        }
    }
}
