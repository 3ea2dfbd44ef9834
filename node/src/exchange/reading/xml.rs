//! XML of documents: one walk, bounded, without recursion.
//!
//! No document type definition is taken, so there are no entities but the five that XML has and characters
//! by number: nothing can unfold, and nothing outside the file is named.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::NoText;

/// How deep elements may lie in each other: real documents stay below a hundred.
const DEPTH: usize = 2_000;

/// What is met on the way. Names are without their prefix.
pub(super) enum Node<'a> {
    /// An element begins.
    Open(&'a str, Attributes<'a>),
    /// It ends; an empty one ends at once.
    Close(&'a str),
    /// Text between them.
    Text(Cow<'a, str>),
}

/// The attributes of an element.
pub(super) struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// The value of an attribute, by its name without prefix.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.find(|key| key.rsplit(':').next() == Some(name))
    }
    /// The value of an attribute, by its name with the prefix that everybody writes.
    pub(super) fn exactly(&self, name: &str) -> Option<String> {
        self.find(|key| key == name)
    }
    fn find(&self, is: impl Fn(&str) -> bool) -> Option<String> {
        let mut attributes = self.0.attributes();
        let attributes = attributes.with_checks(false);
        let found = attributes.flatten().find(|attribute| is(attribute.key.as_ref()))?;
        Some(found.normalized_value(XmlVersion::Implicit1_0).map_or_else(|_| found.value.to_string(), Cow::into_owned))
    }
}

/// Goes through a part from its beginning, until `visit` has had enough (`false`) or it ends.
pub(super) fn walk(source: impl BufRead, visit: &mut dyn FnMut(Node<'_>) -> bool) -> Result<(), NoText> {
    let mut reader = Reader::from_reader(source);
    reader.config_mut().expand_empty_elements = true;
    let mut buffer = Vec::new();
    let mut depth = 0_usize;
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|error| NoText::Damaged(error.to_string()))?;
        let goes_on = match event {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH {
                    return Err(NoText::TooMuch("its elements lie too deep in each other"));
                }
                visit(Node::Open(start.local_name().as_ref(), Attributes(&start)))
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                visit(Node::Close(end.local_name().as_ref()))
            }
            Event::Text(text) => visit(Node::Text(text.into_inner())),
            Event::CData(text) => visit(Node::Text(text.into_inner())),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(c)) => visit(Node::Text(c.to_string().into())),
                _ => resolve_predefined_entity(&name).is_none_or(|known| visit(Node::Text(known.into()))),
            },
            Event::DocType(_) => return Err(NoText::TooMuch("it defines entities of its own")),
            Event::Eof => return Ok(()),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => true,
        };
        if !goes_on {
            return Ok(());
        }
    }
}
