//! When an event takes place: its start and end, the times that its rules give, and those taken out.

use std::collections::{BTreeSet, VecDeque};

use jiff::{
    Timestamp, ToSpan as _, Zoned,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use super::{
    components::Event,
    content::Property,
    event::When,
    moment::{self, Sort},
    rule::{self, Rule},
    series::{AllSeries, Slot, Start},
    zones::Zone,
};

/// How many times of one series are told: two years of something daily on school days.
const TIMES: usize = 400;
/// How many dates a series may add or take out.
const DATES: usize = 20_000;

impl AllSeries {
    /// The times of a series that are told, and how many before them are not.
    pub(super) fn slots(&mut self, event: &Event, start: &Start, warnings: &mut Vec<String>) -> (Vec<Slot>, usize) {
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
        // Of what goes on, those that come first; of what is over, those that came last.
        let from = if goes_on { behind } else { civils.len().saturating_sub(TIMES) };
        left_out += from;
        let later = civils.len() - from;
        if later > TIMES {
            warnings.push(format!("the last {} times of this series are not here yet", later - TIMES));
        }
        let slot = |civil: DateTime| Some(Slot { civil, moment: self.zones.moment(civil, &start.zone)? });
        (civils.drain(from..).take(TIMES).filter_map(slot).collect(), left_out)
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
    pub(super) fn taken_out(&mut self, event: &Event, start: &Start) -> (BTreeSet<Timestamp>, BTreeSet<Date>) {
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
    pub(super) fn start(&mut self, event: &Event, warnings: &mut Vec<String>) -> Option<Start> {
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
    pub(super) fn recurrence_id(&mut self, event: &Event) -> Option<(Sort, Zoned)> {
        let property = event.get("RECURRENCE-ID")?;
        let (civil, sort) = moment::civil(&property.value)?;
        Some((sort, self.moment(civil, sort, property)?))
    }

    /// When an event takes place that begins at this time of its own zone.
    pub(super) fn when(
        &mut self,
        event: &Event,
        start: &Start,
        civil: DateTime,
        warnings: &mut Vec<String>,
    ) -> Option<When> {
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
            let given = ["DTEND", "DURATION"].into_iter().find_map(|name| event.get(name));
            if let Some(given) = given.filter(|_| end.is_none()) {
                let shown: String = given.value.chars().take(40).collect();
                warnings.push(format!("its end cannot be told from {shown:?}, so it is left open"));
            }
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
