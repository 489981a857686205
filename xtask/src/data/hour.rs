//! The hour of a row, told twice: in UTC, and by the clocks of New York.

/// An hour of the year 2013, as the clocks on the wall show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WallHour {
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
}

/// Hours of a year that is not a leap year, before each month.
const DAYS_BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Summer time in New York, in hours of the year by UTC: from 10 March 07:00 to 3 November 06:00, 2013.
const SUMMER: std::ops::Range<u32> = hour_of_year(3, 10, 7)..hour_of_year(11, 3, 6);

const fn hour_of_year(month: u32, day: u32, hour: u32) -> u32 {
    (DAYS_BEFORE[month as usize - 1] + day - 1) * 24 + hour
}

/// True when `utc`, written `2013-01-01T10:00:00Z`, is the hour that New York's clocks show as `wall`.
pub(super) fn agrees(utc: &str, wall: WallHour) -> bool {
    let Some(utc) = parse(utc) else { return false };
    if !(1..=12).contains(&wall.month) || wall.day == 0 {
        return false;
    }
    let behind = if SUMMER.contains(&utc) { 4 } else { 5 };
    utc == hour_of_year(wall.month, wall.day, wall.hour) + behind
}

/// Hours since the beginning of 2013. The last evening of the year is written with the next year's date.
fn parse(utc: &str) -> Option<u32> {
    let (date, time) = utc.strip_suffix(":00:00Z")?.split_once('T')?;
    let mut numbers = date.split('-').map(str::parse::<u32>);
    let (year, month, day) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    let hour = time.parse().ok().filter(|hour| *hour < 24)?;
    if numbers.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    match year {
        2013 => Some(hour_of_year(month, day, hour)),
        2014 => Some(hour_of_year(month, day, hour) + 365 * 24),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(month: u32, day: u32, hour: u32) -> WallHour {
        WallHour { month, day, hour }
    }

    #[test]
    fn winter_is_five_hours_behind_and_summer_four() {
        assert!(agrees("2013-01-01T10:00:00Z", wall(1, 1, 5)));
        assert!(agrees("2013-07-04T04:00:00Z", wall(7, 4, 0)));
        assert!(!agrees("2013-07-04T05:00:00Z", wall(7, 4, 0)));
        assert!(!agrees("2013-01-01T05:00:00Z", wall(1, 1, 5)));
    }

    #[test]
    fn the_clocks_change_at_two_in_the_morning() {
        assert!(agrees("2013-03-10T06:00:00Z", wall(3, 10, 1)));
        assert!(agrees("2013-03-10T07:00:00Z", wall(3, 10, 3)));
        assert!(agrees("2013-11-03T05:00:00Z", wall(11, 3, 1)));
        assert!(agrees("2013-11-03T06:00:00Z", wall(11, 3, 1)));
        assert!(agrees("2013-11-03T07:00:00Z", wall(11, 3, 2)));
    }

    #[test]
    fn the_last_evening_ends_in_the_next_year() {
        assert!(agrees("2014-01-01T04:00:00Z", wall(12, 31, 23)));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2013-01-01 10:00:00",
            "2013-01-01T10:30:00Z",
            "2013-13-01T10:00:00Z",
            "2013-01-01T25:00:00Z",
        ] {
            assert!(!agrees(text, wall(1, 1, 5)), "{text}");
        }
        assert!(!agrees("2013-01-01T10:00:00Z", wall(0, 0, 0)));
    }
}
