//! What a calendar's names of time zones mean.
//!
//! A name is looked for among the zones of the world first, as it is, without a maker's prefix, and as
//! Windows calls them; then in the calendar's own definitions. A definition gives an offset for each
//! moment and no name: where the school has the same offset at that moment, the school's zone is meant.

use std::collections::BTreeMap;

use jiff::{
    Zoned,
    civil::{Date, DateTime},
    tz::{Offset, TimeZone},
};

use super::{
    super::date,
    content::Property,
    moment,
    rule::{self, Budget, Rule},
    windows,
};

/// How many zones a calendar may define, and how many changes of the clocks each may list.
const MOST: usize = 200;
/// How many characters of a zone's name are looked at.
const LONGEST: usize = 200;

/// A zone that a calendar defines: `VTIMEZONE`.
#[derive(Debug, Default, Clone)]
pub(super) struct Definition {
    name: String,
    location: Option<String>,
    changes: Vec<Change>,
}

/// From when on which offset holds: `STANDARD` or `DAYLIGHT`.
#[derive(Debug, Default, Clone)]
struct Change {
    start: Option<DateTime>,
    before: Option<Offset>,
    after: Option<Offset>,
    rule: Option<Rule>,
    more: Vec<DateTime>,
}

impl Definition {
    /// A property of the zone itself, or, where `inside`, of its last `STANDARD` or `DAYLIGHT`.
    pub(super) fn take(&mut self, property: &Property, inside: bool) {
        let text = || property.value.trim().chars().take(LONGEST).collect::<String>();
        if !inside {
            match property.name.as_str() {
                "TZID" => self.name = text(),
                "X-LIC-LOCATION" => self.location = Some(text()),
                _ => {}
            }
            return;
        }
        let Some(change) = self.changes.last_mut() else { return };
        match property.name.as_str() {
            "DTSTART" => change.start = moment::civil(&property.value).map(|(civil, _)| civil),
            "TZOFFSETFROM" => change.before = offset(&property.value),
            "TZOFFSETTO" => change.after = offset(&property.value),
            "RRULE" => change.rule = rule::parse(&property.value).ok(),
            "RDATE" => {
                let room = MOST.saturating_sub(change.more.len());
                let moments = property.value.split(',').take(room).filter_map(moment::civil);
                change.more.extend(moments.map(|(civil, _)| civil));
            }
            _ => {}
        }
    }

    /// A `STANDARD` or `DAYLIGHT` begins.
    pub(super) fn begin(&mut self) -> bool {
        let room = self.changes.len() < MOST;
        if room {
            self.changes.push(Change::default());
        }
        room
    }

    /// The offset that holds at a local time: that of the last change before it; before the first of all,
    /// the one that it ends.
    fn offset(&self, at: DateTime, budget: &mut Budget) -> Option<Offset> {
        let last = self.changes.iter().filter_map(|change| Some((change.last(at, budget)?, change.after?)));
        let last = last.max_by_key(|(start, _)| *start).map(|(_, after)| after);
        last.or_else(|| {
            let first = self.changes.iter().min_by_key(|change| change.start)?;
            first.before.or(first.after)
        })
    }
}

impl Change {
    /// When it came last, up to a local time.
    fn last(&self, at: DateTime, budget: &mut Budget) -> Option<DateTime> {
        let start = self.start?;
        let mut last = (start <= at).then_some(start);
        if let Some(rule) = &self.rule {
            let until = rule.until.as_deref().and_then(moment::civil).map_or(DateTime::MAX, |(civil, _)| civil);
            // What comes every year has come last this year or the year before.
            let near = Date::new(at.year().saturating_sub(1), start.month(), 1).ok();
            let near = near.filter(|near| rule.is_plainly_yearly() && *near > start.date());
            let from = near.unwrap_or(start.date());
            rule.days(from, at.date(), budget, &mut |day| {
                let moment = day.to_datetime(start.time());
                // Begun in the middle, the first day is where the search starts, and no change of the clocks.
                if (near.is_none() || day != from) && moment <= at && moment <= until {
                    last = last.max(Some(moment));
                }
                moment <= at
            });
        }
        let more = self.more.iter().copied().filter(|moment| *moment <= at);
        last.max(more.max())
    }
}

/// `+0100`, `-0330`, `+000115`.
fn offset(text: &str) -> Option<Offset> {
    let text = text.trim();
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &text[1..];
    if !matches!(digits.len(), 4 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i32>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    let all = hours * 3600 + minutes * 60 + seconds;
    Offset::from_seconds(sign * all).ok().filter(|_| minutes < 60 && seconds < 60)
}

/// The zones of a calendar.
pub(super) struct Zones {
    school: TimeZone,
    defined: BTreeMap<String, Definition>,
    budget: Budget,
}

/// What a time is in.
#[derive(Debug, Clone)]
pub(super) enum Zone {
    /// A zone of the world.
    Named(TimeZone),
    /// One that the calendar defines, by its name there.
    Defined(String),
}

impl Zones {
    pub(super) fn new(school: TimeZone, definitions: Vec<Definition>) -> Self {
        let defined = definitions.into_iter().map(|one| (one.name.clone(), one)).collect();
        Self { school, defined, budget: Budget(rule::DAYS) }
    }

    /// Whether a calendar may define one more.
    pub(super) fn room(definitions: usize) -> bool {
        definitions < MOST
    }

    /// The school's own.
    pub(super) fn school(&self) -> Zone {
        Zone::Named(self.school.clone())
    }

    /// The zone of this name; `None` where nobody knows it.
    pub(super) fn find(&self, name: &str) -> Option<Zone> {
        let name: String = name.trim().chars().take(LONGEST).collect();
        let defined = self.defined.get(&name);
        let location = defined.and_then(|zone| zone.location.as_deref());
        let world = world(&name).or_else(|| world(location?));
        let has_changes = defined.is_some_and(|zone| zone.changes.iter().any(|change| change.after.is_some()));
        world.map(Zone::Named).or_else(|| has_changes.then_some(Zone::Defined(name)))
    }

    /// The moment that a local time in a zone is. A time that the clocks skip is after the gap, one that
    /// they repeat the first of the two (RFC 5545 §3.3.5).
    pub(super) fn moment(&mut self, civil: DateTime, zone: &Zone) -> Option<Zoned> {
        match zone {
            Zone::Named(zone) if *zone == TimeZone::UTC => {
                // It says nothing about the place.
                Some(zone.to_timestamp(civil).ok()?.to_zoned(self.school.clone()))
            }
            Zone::Named(zone) => zone.to_zoned(civil).ok(),
            Zone::Defined(name) => {
                let offset = self.defined.get(name)?.offset(civil, &mut self.budget)?;
                let instant = offset.to_timestamp(civil).ok()?;
                let here = self.school.to_offset(instant) == offset;
                Some(instant.to_zoned(if here { self.school.clone() } else { TimeZone::fixed(offset) }))
            }
        }
    }
}

/// A zone of the world: `Europe/London`, `/vendor/2007/Europe/London`, `GMT Standard Time`.
fn world(name: &str) -> Option<TimeZone> {
    if matches!(name.to_ascii_uppercase().as_str(), "UTC" | "Z" | "ETC/UTC" | "ETC/GMT" | "GMT") {
        return Some(TimeZone::UTC);
    }
    let plain = name.trim_matches('"');
    if let Some(zone) = date::zone(plain).or_else(|| date::zone(windows::iana(plain)?)) {
        return Some(zone);
    }
    let parts: Vec<&str> = plain.split('/').collect();
    let last = |count: usize| parts.len().checked_sub(count).map(|at| parts[at..].join("/"));
    [3, 2].into_iter().filter(|count| *count < parts.len()).filter_map(last).find_map(|name| date::zone(&name))
}
