use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn days(rule: &str, start: Date, last: Date) -> Vec<String> {
    let mut all = Vec::new();
    let rule = parse(rule).expect("a rule");
    let whole = rule.days(start, last, &mut Budget(DAYS), &mut |day| {
        all.push(day.to_string());
        true
    });
    assert!(whole, "worked out in full");
    all
}

#[test]
fn rules_give_the_days_that_others_give() {
    // Worked out once with python-dateutil 2.9: rule, start, how many days up to the end of 2031, their
    // sum as days since 1970.
    for line in include_str!("rule_vectors.txt").lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let [rule, start, count, sum] = parts[..] else { panic!("{line}") };
        let start: Date = start.parse().expect("a date");
        let days = days(rule, start, date(2031, 12, 31));
        let since = |day: &String| i64::from((day.parse::<Date>().expect("a date") - date(1970, 1, 1)).get_days());
        let told = (days.len().to_string(), days.iter().map(since).sum::<i64>().to_string());
        assert_eq!(told, (count.to_owned(), sum.to_owned()), "{rule} from {start}: {days:?}");
    }
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    for rule in [
        "",
        "FREQ",
        "FREQ=",
        "FREQ=SECONDLY",
        "FREQ=SOMETIMES",
        "INTERVAL=2",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=99999999999999999999",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=x",
        "FREQ=MONTHLY;BYSETPOS=0;BYDAY=MO",
        "FREQ=MONTHLY;BYSETPOS=400;BYDAY=MO",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=YEARLY;BYMONTH=-1",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=é",
        "FREQ=WEEKLY;BYDAY=0MO",
        "FREQ=WEEKLY;BYDAY=99MO",
        "FREQ=DAILY;BYHOUR=9,14",
        "FREQ=DAILY;RSCALE=CHINESE",
    ] {
        assert!(parse(rule).is_err(), "{rule}");
    }
    assert!(parse(&format!("FREQ=MONTHLY;BYMONTHDAY={}", "1,".repeat(100_000))).is_err());
}

#[test]
fn a_rule_that_never_comes_true_ends() {
    assert_eq!(days("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", date(2025, 1, 1), date(2030, 1, 1)), ["2025-01-01"]);
    let mut budget = Budget(1_000);
    let rule = parse("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30").expect("a rule");
    assert!(!rule.days(date(0, 1, 1), date(9999, 12, 31), &mut budget, &mut |_| true), "the budget ends it");
}

proptest! {
    #[test]
    fn any_rule_is_followed_within_bounds(
        text in "(FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY);)?(INTERVAL=[0-9]{1,4};)?(COUNT=[0-9]{1,3};)?(BYMONTH=[0-9]{1,2};)?\
            (BYDAY=(-?[0-9]{0,2}(MO|TU|SU|FR),){0,3}WE;)?(BYMONTHDAY=-?[0-9]{1,2};)?(BYWEEKNO=-?[0-9]{1,2};)?\
            (BYSETPOS=-?[0-9]{1,3};)?(WKST=SU;)?(\\PC{0,5})?",
        (year, month, day) in (-9999..=9999_i16, 1..=12_i8, 1..=28_i8),
    ) {
        if let Ok(rule) = parse(&text) {
            let start = date(year, month, day);
            let last = start.saturating_add(1_000.days());
            let mut before = None;
            rule.days(start, last, &mut Budget(100_000), &mut |day| {
                assert!(before.is_none_or(|before| before < day) && day <= last, "{text}: {day}");
                before = Some(day);
                true
            });
            prop_assert!(before.is_some());
        }
    }
}
