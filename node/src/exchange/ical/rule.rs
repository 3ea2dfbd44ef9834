//! Recurrence rules (RFC 5545 §3.3.10): the days on which something repeats.
//!
//! Only what repeats by days, weeks, months or years; what repeats within a day is none of a school's
//! events and is refused. Days are worked out without times and zones, one period after the other, and
//! each day that is looked at is paid for out of a [`Budget`], so that no rule takes long.

use jiff::{
    Span, ToSpan as _,
    civil::{Date, Weekday},
};

/// How many days may be looked at for one file in all: a daily event over five hundred years a hundred times.
pub(super) const DAYS: u64 = 20_000_000;
/// How many values a part of a rule may list: a year's days, counted from both ends.
const LISTED: usize = 732;

/// How many days may still be looked at.
#[derive(Debug)]
pub(super) struct Budget(pub(super) u64);

impl Budget {
    /// Whether so many may be, and takes them off.
    fn spend(&mut self, days: u64) -> bool {
        let left = self.0.checked_sub(days);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A rule, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    frequency: Frequency,
    interval: i64,
    /// How often at most, the first time counted.
    pub(super) count: Option<u32>,
    /// The last moment, as it is written.
    pub(super) until: Option<String>,
    months: Vec<i16>,
    month_days: Vec<i16>,
    year_days: Vec<i16>,
    weeks: Vec<i16>,
    /// Days of the week, each with its place in the month or year; 0 for all of them.
    week_days: Vec<(i16, Weekday)>,
    places: Vec<i16>,
    week_start: Weekday,
}

/// Parses a rule; what is wrong with it, or not followed here, in words.
pub(super) fn parse(text: &str) -> Result<Rule, &'static str> {
    let mut rule = Rule {
        frequency: Frequency::Daily,
        interval: 1,
        count: None,
        until: None,
        months: Vec::new(),
        month_days: Vec::new(),
        year_days: Vec::new(),
        weeks: Vec::new(),
        week_days: Vec::new(),
        places: Vec::new(),
        week_start: Weekday::Monday,
    };
    let mut frequency = None;
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=').ok_or("a part of it has no value")?;
        let value = value.trim();
        match name.trim().to_ascii_uppercase().as_str() {
            "FREQ" => frequency = Some(self::frequency(value)?),
            "INTERVAL" => {
                let interval = value.parse().ok().filter(|interval| (1..=10_000).contains(interval));
                rule.interval = interval.ok_or("its interval is none")?;
            }
            "COUNT" => {
                let count = value.parse().ok().filter(|count| *count > 0);
                rule.count = Some(count.ok_or("its count is none")?);
            }
            "UNTIL" => rule.until = Some(value.to_owned()),
            "BYMONTH" => rule.months = numbers(value, 1, 12, false)?,
            "BYMONTHDAY" => rule.month_days = numbers(value, 1, 31, true)?,
            "BYYEARDAY" => rule.year_days = numbers(value, 1, 366, true)?,
            "BYWEEKNO" => rule.weeks = numbers(value, 1, 53, true)?,
            "BYSETPOS" => rule.places = numbers(value, 1, 366, true)?,
            "BYDAY" => rule.week_days = bounded(value)?.map(week_day).collect::<Result<_, _>>()?,
            "WKST" => rule.week_start = week_day(value)?.1,
            // One time a day is the start's own time.
            "BYHOUR" | "BYMINUTE" | "BYSECOND" if !value.contains(',') => {}
            "BYHOUR" | "BYMINUTE" | "BYSECOND" => return Err("it repeats several times a day"),
            _ => return Err("it has a part that is not known here"),
        }
    }
    rule.frequency = frequency.ok_or("it does not say how often")?;
    Ok(rule)
}

fn frequency(word: &str) -> Result<Frequency, &'static str> {
    match word.to_ascii_uppercase().as_str() {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        "HOURLY" | "MINUTELY" | "SECONDLY" => Err("it repeats several times a day"),
        _ => Err("it does not say how often"),
    }
}

fn bounded(list: &str) -> Result<impl Iterator<Item = &str>, &'static str> {
    let many = list.split(',').nth(LISTED).is_some();
    if many { Err("it lists more than a rule can use") } else { Ok(list.split(',').map(str::trim)) }
}

fn numbers(list: &str, least: i16, most: i16, from_the_end: bool) -> Result<Vec<i16>, &'static str> {
    let number = |text: &str| {
        let number: i16 = text.parse().ok()?;
        let fits = (least..=most).contains(&number.abs()) && (from_the_end || number > 0);
        fits.then_some(number)
    };
    bounded(list)?.map(|text| number(text).ok_or("it lists what is no such number")).collect()
}

/// `MO`, `-1FR`, `2TU`.
fn week_day(text: &str) -> Result<(i16, Weekday), &'static str> {
    const WRONG: &str = "it lists what is no day of the week";
    let at = text.len().checked_sub(2).filter(|at| text.is_char_boundary(*at)).ok_or(WRONG)?;
    let (place, day) = text.split_at(at);
    let day = match day.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return Err(WRONG),
    };
    let place = if place.is_empty() { Some(0) } else { place.parse().ok().filter(|place: &i16| *place != 0) };
    let place = place.filter(|place| place.abs() <= 53).ok_or(WRONG)?;
    Ok((place, day))
}

impl Rule {
    /// Whether it repeats every year, for ever or until a date, so that it can be worked out from any year.
    pub(super) fn is_plainly_yearly(&self) -> bool {
        self.frequency == Frequency::Yearly && self.interval == 1 && self.count.is_none()
    }

    /// Visits the days from `start` on, `start` itself first, until `visit` says false or `last` is past.
    /// `false` where the budget ran out before.
    pub(super) fn days(
        &self,
        start: Date,
        last: Date,
        budget: &mut Budget,
        visit: &mut dyn FnMut(Date) -> bool,
    ) -> bool {
        let mut left = self.count.unwrap_or(u32::MAX);
        let mut tell = |day: Date| {
            left -= 1;
            visit(day) && left > 0
        };
        if start > last || !tell(start) {
            return true;
        }
        let mut days = Vec::new();
        let mut period = self.first_period(start);
        while let Some((from, to)) = period.filter(|(from, _)| *from <= last) {
            let length = u64::try_from((to - from).get_days()).unwrap_or(0) + 1;
            if !budget.spend(length) {
                return false;
            }
            days.clear();
            let all = std::iter::successors(Some(from), |day| day.tomorrow().ok()).take_while(|day| *day <= to);
            days.extend(all.filter(|day| self.has(*day, start)));
            for day in self.placed(&days) {
                if day > last {
                    return true;
                }
                if day > start && !tell(day) {
                    return true;
                }
            }
            period = self.next_period(from);
        }
        true
    }

    /// The first and last day of the period that a day lies in.
    fn first_period(&self, start: Date) -> Option<(Date, Date)> {
        let from = match self.frequency {
            Frequency::Daily => start,
            Frequency::Weekly => start.checked_sub(i64::from(start.weekday().since(self.week_start)).days()).ok()?,
            Frequency::Monthly => start.first_of_month(),
            Frequency::Yearly => start.first_of_year(),
        };
        Some((from, self.end_of(from)))
    }

    fn next_period(&self, from: Date) -> Option<(Date, Date)> {
        let step = match self.frequency {
            Frequency::Daily => Span::new().try_days(self.interval),
            Frequency::Weekly => Span::new().try_weeks(self.interval),
            Frequency::Monthly => Span::new().try_months(self.interval),
            Frequency::Yearly => Span::new().try_years(self.interval),
        };
        let from = from.checked_add(step.ok()?).ok()?;
        Some((from, self.end_of(from)))
    }

    fn end_of(&self, from: Date) -> Date {
        match self.frequency {
            Frequency::Daily => from,
            Frequency::Weekly => from.saturating_add(6.days()),
            Frequency::Monthly => from.last_of_month(),
            Frequency::Yearly => from.last_of_year(),
        }
    }

    /// Whether a day of a period is one of the rule's, places in the period aside.
    fn has(&self, day: Date, start: Date) -> bool {
        let by_day = !(self.week_days.is_empty()
            && self.month_days.is_empty()
            && self.year_days.is_empty()
            && self.weeks.is_empty());
        let yearly = self.frequency == Frequency::Yearly;
        let month = if self.months.is_empty() {
            !yearly || by_day || day.month() == start.month()
        } else {
            self.months.contains(&i16::from(day.month()))
        };
        let usual = by_day
            || match self.frequency {
                Frequency::Daily => true,
                Frequency::Weekly => day.weekday() == start.weekday(),
                Frequency::Monthly | Frequency::Yearly => day.day() == start.day(),
            };
        let in_month = (i16::from(day.day()), i16::from(day.days_in_month()));
        let in_year = (day.day_of_year(), day.days_in_year());
        month
            && usual
            && listed(&self.month_days, in_month)
            && listed(&self.year_days, in_year)
            && (self.weeks.is_empty() || listed(&self.weeks, self.week_of(day)))
            && (self.week_days.is_empty() || self.week_days.iter().any(|wanted| self.is_week_day(*wanted, day)))
    }

    /// Whether a day is "every Monday", "the second Tuesday", "the last Friday".
    fn is_week_day(&self, (place, week_day): (i16, Weekday), day: Date) -> bool {
        if day.weekday() != week_day {
            return false;
        }
        let (number, length) = match self.frequency {
            Frequency::Daily | Frequency::Weekly => return true,
            Frequency::Yearly if self.months.is_empty() => (day.day_of_year(), day.days_in_year()),
            _ => (i16::from(day.day()), i16::from(day.days_in_month())),
        };
        match place {
            0 => true,
            1.. => (number - 1) / 7 + 1 == place,
            _ => (length - number) / 7 + 1 == -place,
        }
    }

    /// The number of a day's week, and how many weeks that week's year has. A week belongs to the year
    /// that four of its days are in.
    fn week_of(&self, day: Date) -> (i16, i16) {
        let middle = |date: Date| {
            let since = i64::from(date.weekday().since(self.week_start));
            date.checked_add((3 - since).days()).unwrap_or(date)
        };
        let middle_of_this = middle(day);
        let last = middle(middle_of_this.last_of_year());
        let last = if last.year() == middle_of_this.year() { last } else { last.saturating_sub(7.days()) };
        ((middle_of_this.day_of_year() - 1) / 7 + 1, (last.day_of_year() - 1) / 7 + 1)
    }

    /// Of a period's days those at the places that the rule names, in their order.
    fn placed(&self, days: &[Date]) -> Vec<Date> {
        if self.places.is_empty() {
            return days.to_vec();
        }
        let at = |place: &i16| {
            let index = usize::from(place.unsigned_abs()) - 1;
            if *place > 0 { days.get(index) } else { days.iter().rev().nth(index) }
        };
        let mut placed: Vec<Date> = self.places.iter().filter_map(at).copied().collect();
        placed.sort_unstable();
        placed.dedup();
        placed
    }
}

/// Whether a number is listed, from the start or from the end; where nothing is, every number is.
fn listed(list: &[i16], (number, of): (i16, i16)) -> bool {
    list.is_empty() || list.iter().any(|wanted| *wanted == number || *wanted == number - of - 1)
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
