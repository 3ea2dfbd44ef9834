//! Tips that were written ahead: this node shares them in their week.
//!
//! A week begins on Monday, 0:00 UTC. What was due while the node was off is shared when it runs again.
//! Of several machines of one school, only the one that governs does it, so that nothing is shared twice.

use jiff::Timestamp;
use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::id::RecordId;
use staffroom_protocol::identity::Rights;
use staffroom_protocol::record::adapt::from_draft;
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::replica::Edit;
use staffroom_protocol::time::Millis;

use super::desk::Desk;
use super::names::clusters;
use super::saving::save_one;
use super::wall_clock;
use crate::api::{Code, Done, Failure, NewRecord, Outcome};

/// How long this node waits between two looks, milliseconds: an hour.
const PAUSE: u64 = 3_600_000;
/// The state of what waits for its week.
pub(super) const SCHEDULED: &str = "scheduled";

/// The Monday of a week, such as `2026-W37` (ISO 8601).
fn monday(week: &str) -> Option<Date> {
    let (year, number) = week.trim().split_once("-W")?;
    let is_plain = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let (true, true) = (is_plain(year, 4), is_plain(number, 2)) else { return None };
    let date = ISOWeekDate::new(year.parse().ok()?, number.parse().ok()?, Weekday::Monday).ok()?;
    Some(date.date())
}

fn is_due(week: &str, now: Millis) -> bool {
    let now = i64::try_from(now.0).ok().and_then(|now| Timestamp::from_millisecond(now).ok());
    let today = now.map(|now| now.to_zoned(TimeZone::UTC).date());
    monday(week).zip(today).is_some_and(|(monday, today)| monday <= today)
}

/// Refuses to schedule what could not be shared by itself: without a week, or with a choice of clusters.
pub(super) fn check(desk: &Desk, week: &str) -> Result<(), Failure> {
    if monday(week).is_none() {
        let message = format!("a scheduled tip needs the week that it is for, not {week:?}");
        return Err(Failure::new(Code::Usage, message).hint("--week 2026-W37"));
    }
    match clusters(&desk.replica).len() {
        1 => Ok(()),
        number => {
            let message = format!("a scheduled tip goes to the school's only cluster, and it is in {number}");
            Err(Failure::new(Code::Refused, message)
                .hint("keep it as a draft: --state draft; in its week: share publish ID --to CLUSTER"))
        }
    }
}

/// Shares the tips whose week has come, at most once an hour.
pub(super) fn share_due(desk: &mut Desk) {
    let now = wall_clock();
    if now.0 < desk.next_look.0 {
        return;
    }
    desk.next_look = Millis(now.0.saturating_add(PAUSE));
    let governs = desk.replica.identity().rights(&desk.replica.device()).is_some_and(|r| r.include(Rights::GOVERN));
    let (true, Some(own), [cluster]) = (governs, desk.replica.own_space(), &clusters(&desk.replica)[..]) else {
        return;
    };
    let mut due = Vec::new();
    let looked = Catalogue(desk.replica.store()).newest(&own, &mut |card| {
        if card.kind == "tip" && card.line("state") == SCHEDULED && is_due(card.line("week"), now) {
            due.push(card.id);
        }
        true
    });
    if let Err(fault) = looked {
        tracing::warn!(%fault, "no tip was looked for");
    }
    for id in due {
        match share(desk, id, cluster.id) {
            Ok(Outcome { outcome: Done::Refused, reason, .. }) => {
                tracing::warn!(tip = %id, reason = reason.unwrap_or_default(), "a scheduled tip was not shared");
            }
            Ok(_) => tracing::info!(tip = %id, "a scheduled tip was shared"),
            Err(failure) => tracing::warn!(tip = %id, %failure, "a scheduled tip was not shared"),
        }
    }
}

/// Shares a tip as a new record of the cluster, and says so in ours.
fn share(desk: &mut Desk, id: RecordId, cluster: staffroom_protocol::id::SpaceId) -> Result<Outcome, Failure> {
    let found = Catalogue(desk.replica.store()).record(&id).map_err(super::names::failed)?;
    let found = found.ok_or_else(|| Failure::new(Code::NotFound, "it is not here in full"))?;
    let author = found.history.first().map(|version| version.author.clone()).unwrap_or_default();
    let fields = from_draft(id, &found.card.kind, found.view.fields);
    let new = NewRecord { kind: found.card.kind, fields, author: author.clone(), open: Some(found.card.open) };
    let outcome = save_one(desk, cluster, new)?;
    if outcome.outcome != Done::Refused {
        let fields = Fields::from([("state".to_owned(), Value::Line("published".to_owned()))]);
        let edit = Edit { record: id, fields, heads: None, author };
        desk.replica.edit(&edit, wall_clock()).map_err(|fault| Failure::new(Code::Failed, fault.to_string()))?;
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_its_monday() {
        // Monday 7 September 2026 is the first day of week 37.
        let at = |text: &str| {
            Millis(u64::try_from(text.parse::<Timestamp>().expect("a time").as_millisecond()).expect("late"))
        };
        assert!(!is_due("2026-W37", at("2026-09-06T23:59:59Z")));
        assert!(is_due("2026-W37", at("2026-09-07T00:00:00Z")));
        assert!(is_due("2026-W37", at("2027-01-01T00:00:00Z")));
        // Week 1 of 2026 begins in 2025.
        assert!(is_due("2026-W01", at("2025-12-29T00:00:00Z")));
    }

    #[test]
    fn what_is_no_week_is_never_due() {
        for week in ["", "2026", "2026-37", "2026-W99", "2026-W1", "26-W01", "2026-W01-1", "+026-W01", "soon"] {
            assert_eq!(monday(week), None, "{week}");
        }
    }
}
