//! The parts of a calendar: events and time zones are kept, the others named, all of it bounded.

use super::{
    super::{
        lines::Lines,
        refusal::{Reason, Refusal},
    },
    content::{Content, Property},
    zones::{Definition, Zones},
};

/// How much of one event is kept, in bytes: its texts, and ten thousand dates.
const EVENT: usize = 1 << 20;
/// How much of a file is kept in all, in bytes.
const KEPT: usize = 64 << 20;
/// How many events a file may have.
const EVENTS: usize = 50_000;
/// How many things that are refused are told one by one.
const TOLD: usize = 1_000;
/// How many components in components are told apart; what lies deeper is passed over.
const DEPTH: usize = 32;

/// What is read of an event; who was invited is not.
const WANTED: &[&str] = &[
    "UID",
    "SEQUENCE",
    "DTSTART",
    "DTEND",
    "DURATION",
    "SUMMARY",
    "DESCRIPTION",
    "LOCATION",
    "URL",
    "CONFERENCE",
    "ORGANIZER",
    "CATEGORIES",
    "STATUS",
    "CLASS",
    "RRULE",
    "RDATE",
    "EXDATE",
    "RECURRENCE-ID",
];

/// An event as it stands in the file.
#[derive(Debug, Default)]
pub(super) struct Event {
    /// Where it begins.
    pub(super) line: u64,
    /// Whether the calendar that it is in cancels what it lists.
    pub(super) cancels: bool,
    properties: Vec<Property>,
    weight: usize,
    too_much: bool,
    /// A property of it that was too long was left out.
    shortened: bool,
}

impl Event {
    /// Its first property of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }
    /// All its properties of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property> {
        self.properties.iter().filter(move |property| property.name == name)
    }
    /// Its text of a name, without space around it; empty where it has none.
    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).map(|property| property.text().trim().to_owned()).unwrap_or_default()
    }
    /// How often it was changed.
    pub(super) fn sequence(&self) -> i64 {
        self.get("SEQUENCE").and_then(|property| property.value.trim().parse().ok()).unwrap_or(0)
    }
    /// Whether something of it was too long to be read.
    pub(super) fn is_shortened(&self) -> bool {
        self.shortened
    }

    fn take(&mut self, property: Property) {
        if !WANTED.contains(&property.name.as_str()) {
            return;
        }
        self.weight += property.weight();
        self.too_much |= self.weight > EVENT;
        if !self.too_much {
            self.properties.push(property);
        }
    }
}

/// What was read of a file.
pub(super) struct Read {
    pub(super) events: Vec<Event>,
    pub(super) zones: Vec<Definition>,
    pub(super) refused: Vec<Refusal>,
    pub(super) progress: u64,
}

/// Reads all components of a file.
pub(super) fn read(what: &str, lines: Lines) -> Read {
    let mut reader = Reader {
        what: what.to_owned(),
        stack: Vec::new(),
        deeper: 0,
        event: None,
        kept: 0,
        first_of_calendar: 0,
        cancels: false,
        read: Read { events: Vec::new(), zones: Vec::new(), refused: Vec::new(), progress: 0 },
        untold: 0,
    };
    let mut content = Content::new(lines);
    while let Some(next) = content.next() {
        match next {
            Ok((line, property)) => reader.take(line, property),
            Err(refusal) => reader.refuse_line(refusal),
        }
    }
    reader.end(content)
}

struct Reader {
    what: String,
    /// The components that are open, the outermost first.
    stack: Vec<String>,
    /// How many more are open inside those.
    deeper: u64,
    event: Option<Event>,
    kept: usize,
    /// Which event is the first of the calendar that is open, and whether that cancels what it lists:
    /// METHOD may stand anywhere in it.
    first_of_calendar: usize,
    cancels: bool,
    read: Read,
    untold: u64,
}

impl Reader {
    fn refuse(&mut self, line: u64, why: Reason) {
        let refusal = Refusal::new(&self.what, why).at_line(line);
        self.tell(refusal);
    }

    fn tell(&mut self, refusal: Refusal) {
        if self.read.refused.len() < TOLD {
            self.read.refused.push(refusal);
        } else {
            self.untold += 1;
        }
    }

    /// A line that is too long costs an event that property, and nothing else.
    fn refuse_line(&mut self, refusal: Refusal) {
        match (&refusal.why, &mut self.event) {
            (Reason::LineTooLong(_), Some(event)) => event.shortened = true,
            _ => self.tell(refusal),
        }
    }

    fn take(&mut self, line: u64, property: Property) {
        let name = || property.value.trim().to_ascii_uppercase().chars().take(60).collect::<String>();
        match property.name.as_str() {
            "BEGIN" => self.begin(line, name()),
            "END" => self.finish(&name()),
            _ if self.deeper > 0 => {}
            _ => self.property(property),
        }
    }

    fn begin(&mut self, line: u64, name: String) {
        if self.stack.len() >= DEPTH {
            self.deeper += 1;
            return;
        }
        let inside = self.stack.last().map(String::as_str);
        match (name.as_str(), inside) {
            ("VCALENDAR", _) => (self.first_of_calendar, self.cancels) = (self.read.events.len(), false),
            ("VEVENT", Some("VCALENDAR" | "VEVENT")) => {
                if let Some(cut_short) = self.event.replace(Event { line, ..Event::default() }) {
                    self.refuse(cut_short.line, Reason::EventBreaksOff);
                    self.stack.retain(|open| open != "VEVENT");
                }
            }
            ("VTODO", Some("VCALENDAR")) => self.refuse(line, Reason::NotAnEvent("a task")),
            ("VJOURNAL", Some("VCALENDAR")) => self.refuse(line, Reason::NotAnEvent("a journal entry")),
            ("VFREEBUSY", Some("VCALENDAR")) => self.refuse(line, Reason::NotAnEvent("a list of busy times")),
            ("VTIMEZONE", Some("VCALENDAR")) if Zones::room(self.read.zones.len()) => {
                self.read.zones.push(Definition::default());
            }
            ("STANDARD" | "DAYLIGHT", Some("VTIMEZONE")) => {
                let room = self.read.zones.last_mut().is_some_and(Definition::begin);
                if !room {
                    self.deeper += 1;
                    return;
                }
            }
            _ => {}
        }
        self.stack.push(name);
    }

    /// The innermost component of this name ends, and with it what is open inside it.
    fn finish(&mut self, name: &str) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        let Some(at) = self.stack.iter().rposition(|open| open == name) else { return };
        self.stack.truncate(at);
        if name == "VEVENT" && !self.stack.iter().any(|open| open == "VEVENT") {
            self.keep();
        }
    }

    fn property(&mut self, property: Property) {
        match (self.stack.last().map(String::as_str), &mut self.event) {
            (Some("VEVENT"), Some(event)) => event.take(property),
            (Some("VTIMEZONE"), _) => {
                if let Some(zone) = self.read.zones.last_mut() {
                    zone.take(&property, false);
                }
            }
            (Some("STANDARD" | "DAYLIGHT"), _) => {
                if let Some(zone) = self.read.zones.last_mut() {
                    zone.take(&property, true);
                }
            }
            (Some("VCALENDAR"), _) if property.name == "METHOD" => {
                self.cancels = property.value.trim().eq_ignore_ascii_case("CANCEL");
                let cancels = self.cancels;
                self.read.events[self.first_of_calendar..].iter_mut().for_each(|event| event.cancels = cancels);
            }
            _ => {}
        }
    }

    /// The event that is open is complete.
    fn keep(&mut self) {
        let Some(mut event) = self.event.take() else { return };
        event.cancels = self.cancels;
        let line = event.line;
        self.kept += event.weight;
        if event.too_much {
            self.refuse(line, Reason::EventTooLong(EVENT));
        } else if self.kept > KEPT || self.read.events.len() >= EVENTS {
            self.refuse(line, Reason::CalendarTooLong(EVENTS));
        } else {
            self.read.events.push(event);
        }
    }

    fn end(mut self, content: Content) -> Read {
        if let Some(event) = &self.event {
            let line = event.line;
            self.refuse(line, Reason::EventBreaksOff);
        }
        if content.odd > 0 {
            let refusal = Refusal::new(&self.what, Reason::OddLines(content.odd));
            self.read.refused.push(refusal);
        }
        if self.untold > 0 {
            let refusal = Refusal::new(&self.what, Reason::AndMore(self.untold));
            self.read.refused.push(refusal);
        }
        self.read.progress = content.lines.progress();
        self.read
    }
}
