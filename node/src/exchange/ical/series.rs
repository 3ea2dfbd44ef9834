//! What belongs together by its UID, and which times it takes place.
//!
//! An event that repeats is told once for each time. A time that was moved or changed by itself
//! (`RECURRENCE-ID`) is told as it is now, under the day that the series gave it. A time that was taken
//! out (`EXDATE`) is told as cancelled to those who know it from before, and to nobody else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{
    Timestamp, ToSpan as _, Zoned,
    civil::{Date, DateTime, Time},
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
    content::Property,
    event::{self, When},
    moment::{self, Sort},
    rule::{self, Budget, Rule},
    zones::{Zone, Zones},
};

/// How many times of one series are told: two years of something daily on school days.
const TIMES: usize = 400;
/// The longest UID that becomes a part of a `source`, in bytes.
const UID: usize = 1_500;
/// How many dates a series may add or take out.
const DATES: usize = 20_000;

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
    zones: Zones,
    options: Options,
    budget: Budget,
    /// The first and the last day that are told of what goes on.
    window: (Date, Date),
}

/// A time of a series.
struct Slot {
    /// As the series gives it, in its own zone.
    civil: DateTime,
    moment: Zoned,
}

/// The start of an event: when, how meant, in which zone.
#[derive(Debug, Clone)]
struct Start {
    civil: DateTime,
    sort: Sort,
    zone: Zone,
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
                    let when = match self.start(own, &mut warnings) {
                        Some(own_start) => self.when(own, &own_start, own_start.civil, &mut warnings),
                        None => {
                            let given = Start { civil: slot.civil, ..start.clone() };
                            self.when(own, &given, slot.civil, &mut warnings)
                        }
                    };
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

impl AllSeries {
    /// The times of a series that are told, and how many before them are not.
    fn slots(&mut self, event: &Event, start: &Start, warnings: &mut Vec<String>) -> (Vec<Slot>, usize) {
        let mut civils = VecDeque::from([start.civil]);
        let mut left_out = 0;
        for property in event.all("RRULE").take(4) {
            match rule::parse(&property.value) {
                Ok(rule) => left_out += self.follow(&rule, start, &mut civils, warnings),
                Err(why) => {
                    let rule: String = property.value.chars().take(80).collect();
                    warnings.push(format!("its rule {rule:?} is not followed: {why}; only its first time is here"));
                }
            }
        }
        for property in event.all("RDATE") {
            for text in property.value.split(',').take(DATES) {
                let more = moment::civil(text).and_then(|(civil, sort)| self.moment(civil, sort, property));
                civils.extend(more.map(|more| in_zone(&more, &start.zone)));
            }
        }
        let mut civils: Vec<DateTime> = civils.into();
        civils.sort_unstable();
        civils.dedup();
        let goes_on = civils.last().is_some_and(|last| last.date() >= self.window.0);
        let behind = civils.iter().filter(|civil| goes_on && civil.date() < self.window.0).count();
        let from = behind.max(civils.len().saturating_sub(TIMES));
        left_out += from;
        let slot = |civil: DateTime| Some(Slot { civil, moment: self.zones.moment(civil, &start.zone)? });
        (civils.drain(from..).filter_map(slot).collect(), left_out)
    }

    /// Adds the times of a rule, the last of them; gives back how many before those there are.
    fn follow(
        &mut self,
        rule: &Rule,
        start: &Start,
        civils: &mut VecDeque<DateTime>,
        warnings: &mut Vec<String>,
    ) -> usize {
        let until = rule.until.as_deref().map(moment::civil);
        if until == Some(None) {
            warnings.push("nobody can tell until when it repeats; only its first time is here".to_owned());
            return 0;
        }
        let until = until.flatten();
        let (zones, mut left_out) = (&mut self.zones, 0);
        let mut visit = |day: Date| {
            let civil = day.to_datetime(start.civil.time());
            let over = until.is_some_and(|(until, sort)| match sort {
                Sort::Day => day > until.date(),
                Sort::Local => civil > until,
                Sort::Utc => match (zones.moment(civil, &start.zone), TimeZone::UTC.to_timestamp(until)) {
                    (Some(moment), Ok(until)) => moment.timestamp() > until,
                    _ => true,
                },
            });
            if over {
                return false;
            }
            civils.push_back(civil);
            if civils.len() > 2 * TIMES {
                civils.pop_front();
                left_out += 1;
            }
            true
        };
        let last = self.window.1.max(start.civil.date());
        if !rule.days(start.civil.date(), last, &mut self.budget, &mut visit) {
            warnings.push("it repeats too often to be worked out in full".to_owned());
        }
        left_out
    }

    /// The times that were taken out of a series: moments, and whole days.
    fn taken_out(&mut self, event: &Event, start: &Start) -> (BTreeSet<Timestamp>, BTreeSet<Date>) {
        let (mut moments, mut days) = (BTreeSet::new(), BTreeSet::new());
        let listed =
            event.all("EXDATE").flat_map(|property| property.value.split(',').map(move |text| (property, text)));
        for (property, text) in listed.take(DATES) {
            match moment::civil(text) {
                Some((civil, Sort::Day)) => drop(days.insert(civil.date())),
                // Without a zone it is in that of the series.
                Some((civil, Sort::Local)) if property.parameter("TZID").is_none() => {
                    moments.extend(self.zones.moment(civil, &start.zone).map(|moment| moment.timestamp()));
                }
                Some((civil, sort)) => {
                    moments.extend(self.moment(civil, sort, property).map(|moment| moment.timestamp()));
                }
                None => {}
            }
        }
        (moments, days)
    }

    /// The start of an event; what is wrong with it is said.
    fn start(&mut self, event: &Event, warnings: &mut Vec<String>) -> Option<Start> {
        let property = event.get("DTSTART")?;
        let Some((civil, sort)) = moment::civil(&property.value) else {
            let shown: String = property.value.chars().take(40).collect();
            warnings.push(format!("its start {shown:?} is no date, so it is left open"));
            return None;
        };
        let zone = match (sort, property.parameter("TZID")) {
            (Sort::Utc, _) => Zone::Named(TimeZone::UTC),
            (Sort::Local, Some(name)) => self.zones.find(name).unwrap_or_else(|| {
                let shown: String = name.chars().take(60).collect();
                warnings.push(format!(
                    "{shown:?} is a time zone that nobody knows, so its times are taken as the school's"
                ));
                self.zones.school()
            }),
            _ => self.zones.school(),
        };
        Some(Start { civil, sort, zone })
    }

    /// The moment of a date in the zone that its property names, or the school's.
    fn moment(&mut self, civil: DateTime, sort: Sort, property: &Property) -> Option<Zoned> {
        let zone = match (sort, property.parameter("TZID")) {
            (Sort::Utc, _) => Zone::Named(TimeZone::UTC),
            (Sort::Local, Some(name)) => self.zones.find(name).unwrap_or_else(|| self.zones.school()),
            _ => self.zones.school(),
        };
        self.zones.moment(civil, &zone)
    }

    /// Which time of its series an event stands for.
    fn recurrence_id(&mut self, event: &Event) -> Option<(Sort, Zoned)> {
        let property = event.get("RECURRENCE-ID")?;
        let (civil, sort) = moment::civil(&property.value)?;
        Some((sort, self.moment(civil, sort, property)?))
    }

    /// When an event takes place that begins at this time of its own zone.
    fn when(&mut self, event: &Event, start: &Start, civil: DateTime, warnings: &mut Vec<String>) -> Option<When> {
        let Some(begins) = self.zones.moment(civil, &start.zone) else {
            warnings.push("its start lies beyond what a calendar can tell, so it is left open".to_owned());
            return None;
        };
        let all_day = start.sort == Sort::Day;
        let end = if all_day {
            let days = days_long(event, start).filter(|days| *days >= 1).or_else(|| {
                let wrong = days_long(event, start).is_some_and(|days| days < 0);
                warnings.extend(wrong.then(before_its_start));
                None
            });
            // The end that calendars write is the day after the last.
            let last = days.filter(|days| *days > 1).and_then(|days| civil.date().checked_add((days - 1).days()).ok());
            last.and_then(|day| self.zones.moment(day.to_datetime(Time::constant(23, 59, 0, 0)), &start.zone))
        } else {
            let end = self.end(event, start, &begins, civil);
            let wrong = end.as_ref().is_some_and(|end| *end < begins);
            warnings.extend(wrong.then(before_its_start));
            end.filter(|end| *end > begins)
        };
        Some(When { start: begins, end, all_day })
    }

    /// The end of what begins at a moment.
    fn end(&mut self, event: &Event, start: &Start, begins: &Zoned, civil: DateTime) -> Option<Zoned> {
        if let Some(property) = event.get("DTEND") {
            let (end, sort) = moment::civil(&property.value)?;
            let named = sort == Sort::Utc || property.parameter("TZID").is_some();
            let end = if named { self.moment(end, sort, property)? } else { self.zones.moment(end, &start.zone)? };
            if civil == start.civil {
                return Some(end);
            }
            let first = self.zones.moment(start.civil, &start.zone)?;
            return begins.checked_add(end.duration_since(&first)).ok();
        }
        let length = moment::length(&event.get("DURATION")?.value)?;
        let end = self.zones.moment(civil.checked_add(i64::from(length.days).days()).ok()?, &start.zone)?;
        end.checked_add(length.rest).ok()
    }
}

/// How many days an event of whole days lasts.
fn days_long(event: &Event, start: &Start) -> Option<i64> {
    if let Some(property) = event.get("DTEND") {
        let (end, _) = moment::civil(&property.value)?;
        return Some(i64::from((end.date() - start.civil.date()).get_days()));
    }
    moment::length(&event.get("DURATION")?.value).map(|length| i64::from(length.days))
}

fn before_its_start() -> String {
    "its end lies before its start, so it is left open".to_owned()
}

/// A moment as the clocks of a zone show it.
fn in_zone(moment: &Zoned, zone: &Zone) -> DateTime {
    match zone {
        Zone::Named(zone) => moment.timestamp().to_zoned(zone.clone()).datetime(),
        Zone::Defined(_) => moment.datetime(),
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
