//! What belongs together by its UID, and which times it takes place.
//!
//! An event that repeats is told once for each time. A time that was moved or changed by itself
//! (`RECURRENCE-ID`) is told as it is now, under the day that the series gave it. A time that was taken
//! out (`EXDATE`) is told as cancelled to those who know it from before, and to nobody else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    Zoned,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use staffroom_protocol::record::field::Value;

use super::{
    super::{
        draft::Options,
        import::Found,
        json::one_line,
        refusal::{Reason, Refusal},
    },
    components::{Event, Read},
    event,
    moment::Sort,
    rule::{self, Budget},
    zones::{Zone, Zones},
};

/// The longest UID that becomes a part of a `source`, in bytes.
const UID: usize = 1_500;

/// Which events of the file have one UID.
#[derive(Debug, Default)]
struct Group {
    uid: String,
    /// Those that stand for the whole of it, in the order of the file.
    whole: Vec<usize>,
    /// Those that stand for one of its times.
    times: Vec<usize>,
}

/// All that the file tells of, in its order.
pub(super) struct AllSeries {
    what: String,
    events: Vec<Event>,
    groups: std::vec::IntoIter<Group>,
    pub(super) zones: Zones,
    options: Options,
    pub(super) budget: Budget,
    /// The first and the last day that are told of what goes on.
    pub(super) window: (Date, Date),
}

/// A time of a series.
pub(super) struct Slot {
    /// As the series gives it, in its own zone.
    pub(super) civil: DateTime,
    pub(super) moment: Zoned,
}

/// The start of an event: when, how meant, in which zone.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) civil: DateTime,
    pub(super) sort: Sort,
    pub(super) zone: Zone,
}

type Told = Vec<Result<Found, Refusal>>;

impl AllSeries {
    pub(super) fn new(what: &str, read: Read, school: TimeZone, options: &Options, today: Date) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut by_uid: BTreeMap<String, usize> = BTreeMap::new();
        for (index, event) in read.events.iter().enumerate() {
            let uid = one_line(&event.text("UID"));
            let known = by_uid.get(&uid).copied().filter(|_| !uid.is_empty());
            let at = known.unwrap_or(groups.len());
            if known.is_none() {
                by_uid.insert(uid.clone(), at);
                groups.push(Group { uid, ..Group::default() });
            }
            let one_time = event.get("RECURRENCE-ID").is_some();
            if one_time { &mut groups[at].times } else { &mut groups[at].whole }.push(index);
        }
        Self {
            what: what.to_owned(),
            events: read.events,
            groups: groups.into_iter(),
            zones: Zones::new(school, read.zones),
            options: options.clone(),
            budget: Budget(rule::DAYS),
            window: window(today),
        }
    }

    /// What the next group tells; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Told> {
        let group = self.groups.next()?;
        let events = std::mem::take(&mut self.events);
        let told = self.tell(&group, &events);
        self.events = events;
        Some(told)
    }

    fn tell(&mut self, group: &Group, events: &[Event]) -> Told {
        let private = |index: &&usize| is_private(&events[**index]);
        let mut told: Told = Vec::new();
        for index in group.whole.iter().chain(&group.times).filter(private) {
            told.push(Err(Refusal::new(&self.what, Reason::Private).at_line(events[*index].line)));
        }
        if !told.is_empty() {
            return told;
        }
        let newest = group.whole.iter().max_by_key(|index| (events[**index].sequence(), **index)).copied();
        let mut warnings = Vec::new();
        if group.whole.len() > 1 {
            warnings.push(format!("it stands {} times in the file; the newest counts", group.whole.len()));
        }
        let repeats = |event: &Event| ["RRULE", "RDATE"].iter().any(|name| event.get(name).is_some());
        let mut times = newest_times(group, events);
        let series = newest.filter(|index| repeats(&events[*index]));
        let mut start_day = None;
        match (newest, series) {
            (Some(index), None) => told.push(self.single(group, &events[index], None, warnings)),
            (_, Some(index)) => start_day = self.series(group, &events[index], events, &mut times, warnings, &mut told),
            (None, None) => {}
        }
        for index in times {
            let event = &events[index];
            let slot = self.recurrence_id(event);
            let day = slot.as_ref().map(|(_, moment)| moment.date());
            // Of a series that goes on, what lies behind is left out.
            if start_day.is_some() && day.is_some_and(|day| day < self.window.0) {
                continue;
            }
            told.push(self.single(group, event, Some((day, start_day)), Vec::new()));
        }
        told
    }

    /// An event of one time only; `of` is the day that its series gave it, and the series' first day.
    fn single(
        &mut self,
        group: &Group,
        event: &Event,
        of: Option<(Option<Date>, Option<Date>)>,
        mut warnings: Vec<String>,
    ) -> Result<Found, Refusal> {
        let start = self.start(event, &mut warnings);
        let when = match start {
            Some(start) => self.when(event, &start, start.civil, &mut warnings),
            None => None,
        };
        let source = match of {
            None => source(&group.uid, None),
            Some((Some(day), first)) if Some(day) == first => source(&group.uid, None),
            Some((Some(day), _)) => source(&group.uid, Some(&day.to_string())),
            Some((None, _)) => {
                let id = event.text("RECURRENCE-ID");
                source(&group.uid, Some(&one_line(&id.chars().take(40).collect::<String>())))
            }
        };
        let draft = event::draft(&self.what, event, when.as_ref(), &source, warnings, &self.options)?;
        let only_known = event.cancels;
        Ok(Found { only_known, ..Found::from(draft) })
    }

    /// Each time of a series. Takes the events of single times that belong to it out of `times`; gives
    /// back its first day.
    fn series(
        &mut self,
        group: &Group,
        event: &Event,
        events: &[Event],
        times: &mut Vec<usize>,
        mut warnings: Vec<String>,
        told: &mut Told,
    ) -> Option<Date> {
        let Some(start) = self.start(event, &mut warnings) else {
            warnings.push("it repeats, and without a start nobody can say when".to_owned());
            let draft = event::draft(&self.what, event, None, &source(&group.uid, None), warnings, &self.options);
            told.push(draft.map(Found::from));
            return None;
        };
        let (slots, left_out) = self.slots(event, &start, &mut warnings);
        if left_out > 0 {
            let more = if left_out == 1 { "time" } else { "times" };
            warnings.push(format!("the first {left_out} {more} of this series are left out"));
        }
        if slots.is_empty() {
            told.push(self.single(group, event, None, warnings));
            return None;
        }
        let (out_moments, out_days) = self.taken_out(event, &start);
        let mut names = BTreeSet::new();
        for slot in slots {
            let first = slot.civil == start.civil;
            let day = slot.civil.date().to_string();
            let name = if names.insert(day.clone()) { day } else { format!("{day}T{}", slot.civil.time()) };
            let source = source(&group.uid, Some(&name).filter(|_| !first).map(String::as_str));
            let own = times.iter().position(|index| {
                let id = self.recurrence_id(&events[*index]);
                id.is_some_and(|(sort, moment)| match sort {
                    Sort::Day => moment.date() == slot.civil.date(),
                    _ => moment.timestamp() == slot.moment.timestamp(),
                })
            });
            // What is said of the whole series is said once.
            let mut warnings = std::mem::take(&mut warnings);
            let taken_out = out_moments.contains(&slot.moment.timestamp()) || out_days.contains(&slot.civil.date());
            let (event, when) = match own.map(|at| times.remove(at)) {
                Some(index) => {
                    let own = &events[index];
                    let given = Start { civil: slot.civil, ..start.clone() };
                    let own_start = self.start(own, &mut warnings).unwrap_or(given);
                    let when = self.when(own, &own_start, own_start.civil, &mut warnings);
                    (own, when)
                }
                None => (event, self.when(event, &start, slot.civil, &mut warnings)),
            };
            let draft = event::draft(&self.what, event, when.as_ref(), &source, warnings, &self.options);
            told.push(draft.map(|mut draft| {
                if taken_out {
                    let cancelled = Value::Line("cancelled".to_owned());
                    draft.fields.insert("state".to_owned(), cancelled);
                }
                Found { only_known: taken_out || event.cancels, ..Found::from(draft) }
            }));
        }
        Some(start.civil.date())
    }
}

/// Of the events that stand for one time, the newest for each.
fn newest_times(group: &Group, events: &[Event]) -> Vec<usize> {
    let mut newest: BTreeMap<String, usize> = BTreeMap::new();
    for index in &group.times {
        let id = events[*index].text("RECURRENCE-ID");
        let known = newest.entry(id).or_insert(*index);
        if events[*index].sequence() >= events[*known].sequence() {
            *known = *index;
        }
    }
    let mut all: Vec<usize> = newest.into_values().collect();
    all.sort_unstable();
    all
}

fn is_private(event: &Event) -> bool {
    matches!(event.text("CLASS").to_ascii_uppercase().as_str(), "PRIVATE" | "CONFIDENTIAL")
}

/// Where an event came from, as its record says it; empty where the calendar has no name for it.
fn source(uid: &str, time: Option<&str>) -> String {
    if uid.is_empty() || uid.len() > UID {
        return String::new();
    }
    time.map_or_else(|| format!("ical:{uid}"), |time| format!("ical:{uid}#{time}"))
}

/// From the beginning of this school year to the end of the next, 1 September to 31 August.
fn window(today: Date) -> (Date, Date) {
    let begins = if today.month() >= 9 { today.year() } else { today.year().saturating_sub(1) };
    let day = |year: i16, month: i8, day: i8| Date::new(year, month, day).unwrap_or(today);
    (day(begins, 9, 1), day(begins.saturating_add(2), 8, 31))
}
