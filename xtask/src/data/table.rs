//! One table: read, checked, cut to a week, and written with NULL as an empty field.

use super::hour::{self, WallHour};

/// How the package writes NULL.
const NULL: &str = "NA";

/// Days of one month of 2013, both ends included, by New York's calendar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Week {
    pub(super) month: u32,
    pub(super) first_day: u32,
    pub(super) last_day: u32,
}

/// A table as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) text: String,
    /// The heading is not counted.
    pub(super) rows: usize,
}

impl Table {
    /// Reads a table of the package; `dated` when its rows tell an hour. Rows outside the week are left out.
    pub(super) fn read(source: &str, dated: bool, week: Option<Week>) -> Result<Self, String> {
        // The package quotes nothing, since no value holds a comma: a quote would mean that this no longer holds.
        if source.contains(['"', '\r']) {
            return Err("quoted fields or carriage returns were not expected".to_owned());
        }
        let mut lines = source.lines();
        let heading = lines.next().ok_or("the file is empty")?;
        let columns: Vec<&str> = heading.split(',').collect();
        let calendar = if dated { Some(Calendar::of(&columns)?) } else { None };
        let mut table = Self { text: format!("{heading}\n"), rows: 0 };
        for (index, line) in lines.enumerate() {
            let fields: Vec<&str> = line.split(',').collect();
            if fields.len() != columns.len() {
                return Err(format!(
                    "line {}: {} fields, not {}",
                    index + 2,
                    fields.len(),
                    columns.len()
                ));
            }
            if let Some(calendar) = &calendar {
                let wall = calendar
                    .wall_hour(&fields)
                    .map_err(|reason| format!("line {}: {reason}", index + 2))?;
                let inside = |week: Week| {
                    wall.month == week.month && (week.first_day..=week.last_day).contains(&wall.day)
                };
                if !week.is_none_or(inside) {
                    continue;
                }
            }
            table.push(&fields);
        }
        Ok(table)
    }

    fn push(&mut self, fields: &[&str]) {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            if *field != NULL {
                self.text.push_str(field);
            }
        }
        self.text.push('\n');
        self.rows += 1;
    }
}

/// Where the columns stand that tell the hour.
#[derive(Debug)]
struct Calendar {
    year: usize,
    month: usize,
    day: usize,
    hour: usize,
    utc: usize,
}

impl Calendar {
    fn of(columns: &[&str]) -> Result<Self, String> {
        let place = |name: &str| {
            columns
                .iter()
                .position(|column| *column == name)
                .ok_or_else(|| format!("there is no column `{name}`"))
        };
        Ok(Self {
            year: place("year")?,
            month: place("month")?,
            day: place("day")?,
            hour: place("hour")?,
            utc: place("time_hour")?,
        })
    }

    /// The hour on New York's clocks, when both ways of telling it agree.
    fn wall_hour(&self, fields: &[&str]) -> Result<WallHour, String> {
        let number = |at: usize| {
            fields[at].parse::<u32>().map_err(|_| format!("`{}` is no number", fields[at]))
        };
        let wall = WallHour {
            month: number(self.month)?,
            day: number(self.day)?,
            hour: number(self.hour)?,
        };
        let utc = fields[self.utc];
        if number(self.year)? == 2013 && hour::agrees(utc, wall) {
            Ok(wall)
        } else {
            Err(format!("`{utc}` is not the hour that the other columns tell"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Week = Week { month: 1, first_day: 1, last_day: 7 };

    #[test]
    fn null_becomes_an_empty_field() {
        let table = Table::read("a,b,c\nNA,NAN,x\n1,,NA\n", false, None);
        assert_eq!(table, Ok(Table { text: "a,b,c\n,NAN,x\n1,,\n".to_owned(), rows: 2 }));
    }

    #[test]
    fn only_the_week_is_kept() {
        let source = "year,month,day,hour,time_hour\n2013,1,7,23,2013-01-08T04:00:00Z\n\
                      2013,1,8,0,2013-01-08T05:00:00Z\n2013,2,1,0,2013-02-01T05:00:00Z\n";
        let table = Table::read(source, true, Some(WEEK));
        let text = "year,month,day,hour,time_hour\n2013,1,7,23,2013-01-08T04:00:00Z\n".to_owned();
        assert_eq!(table, Ok(Table { text, rows: 1 }));
        assert_eq!(Table::read(source, true, None).map(|table| table.rows), Ok(3));
    }

    #[test]
    fn a_wrong_row_is_named_by_its_line() {
        assert_eq!(
            Table::read("a,b\n1,2\n3\n", false, None),
            Err("line 3: 1 fields, not 2".to_owned())
        );
        let source = "year,month,day,hour,time_hour\n2013,1,7,23,2013-01-07T23:00:00Z\n";
        let reason = "line 2: `2013-01-07T23:00:00Z` is not the hour that the other columns tell";
        assert_eq!(Table::read(source, true, None), Err(reason.to_owned()));
        assert!(Table::read("a\n\"x\"\n", false, None).is_err());
    }
}
