//! Days and dates of the Gregorian calendar, for all of time.
//!
//! The year is taken to begin in March, so that the leap day is its last, and 400 years have the same days always.

/// A date: year (0 is 1 BC), month, day.
pub(super) type Ymd = (i32, u8, u8);

/// The date of a day counted from 2000-01-01.
pub(super) fn date_of(days: i32) -> Ymd {
    let day = i64::from(days).wrapping_add(TO_MARCH_OF_YEAR_0);
    let cycle = day.div_euclid(DAYS_PER_CYCLE);
    let in_cycle = day.rem_euclid(DAYS_PER_CYCLE);
    // A day less for each leap day that has passed leaves years of 365 days.
    let leaps = (in_cycle / 1_460)
        .wrapping_sub(in_cycle / 36_524)
        .wrapping_add(in_cycle / (DAYS_PER_CYCLE - 1));
    let year_in_cycle = in_cycle.wrapping_sub(leaps) / 365;
    let in_year = in_cycle.wrapping_sub(days_before(year_in_cycle));
    // Five months, from March on, have 153 days: 31, 30, 31, 30, 31.
    let month_from_march = in_year.wrapping_mul(5).wrapping_add(2) / 153;
    let day = in_year.wrapping_sub(days_before_month(month_from_march)).wrapping_add(1);
    let (month, later) = if month_from_march < 10 {
        (month_from_march.wrapping_add(3), 0)
    } else {
        (month_from_march.wrapping_sub(9), 1)
    };
    let year = cycle.wrapping_mul(400).wrapping_add(year_in_cycle).wrapping_add(later);
    // All three fit: a day of 32 bits lies less than six million years from year 0.
    (
        i32::try_from(year).unwrap_or(0),
        u8::try_from(month).unwrap_or(0),
        u8::try_from(day).unwrap_or(0),
    )
}

/// The day of a date, counted from 2000-01-01; `None` for a date that does not exist, or is beyond 32 bits.
pub(super) fn day_of((year, month, day): Ymd) -> Option<i32> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let month = i64::from(month);
    let (month_from_march, year) = if month > 2 {
        (month.wrapping_sub(3), i64::from(year))
    } else {
        (month.wrapping_add(9), i64::from(year).wrapping_sub(1))
    };
    let in_year = days_before_month(month_from_march).wrapping_add(i64::from(day)).wrapping_sub(1);
    let day = year
        .div_euclid(400)
        .wrapping_mul(DAYS_PER_CYCLE)
        .wrapping_add(days_before(year.rem_euclid(400)))
        .wrapping_add(in_year)
        .wrapping_sub(TO_MARCH_OF_YEAR_0);
    i32::try_from(day).ok()
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days of the years before `year` in a cycle of 400.
fn days_before(year: i64) -> i64 {
    year.wrapping_mul(365).wrapping_add(year / 4).wrapping_sub(year / 100)
}

/// The days of the months before `month`, which is counted from March on.
fn days_before_month(month: i64) -> i64 {
    month.wrapping_mul(153).wrapping_add(2) / 5
}

/// The days in 400 years.
const DAYS_PER_CYCLE: i64 = 146_097;
/// From March 1st of year 0 to 2000-01-01.
const TO_MARCH_OF_YEAR_0: i64 = 730_425;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_hundred_years_day_by_day() {
        let mut expected: Ymd = (2000, 1, 1);
        for days in 0..146_097 {
            assert_eq!(date_of(days), expected);
            assert_eq!(day_of(expected), Some(days));
            let (year, month, day) = expected;
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == days_in_month(year, month) => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
        assert_eq!(expected, (2400, 1, 1));
    }

    #[test]
    fn every_cycle_is_alike() {
        for cycle in (-14_698..14_698).step_by(7) {
            for days in [0, 58, 59, 60, 365, 36_583, 73_108, 146_096] {
                let (year, month, day) = date_of(days);
                let moved = (year + cycle * 400, month, day);
                assert_eq!(date_of(days + cycle * 146_097), moved);
                assert_eq!(day_of(moved), Some(days + cycle * 146_097));
            }
        }
        for days in [i32::MIN, i32::MAX] {
            assert_eq!(day_of(date_of(days)), Some(days));
        }
    }

    #[test]
    fn dates_that_do_not_exist() {
        for date in [
            (2000, 0, 1),
            (2000, 13, 1),
            (2000, 1, 0),
            (2000, 1, 32),
            (2000, 2, 30),
            (1900, 2, 29),
            (2023, 2, 29),
            (2023, 4, 31),
            (-1, 2, 29),
            (i32::MAX, 1, 1),
            (i32::MIN, 1, 1),
        ] {
            assert_eq!(day_of(date), None, "{date:?}");
        }
        assert!(day_of((0, 2, 29)).is_some());
        assert!(day_of((-4, 2, 29)).is_some());
    }
}
