//! The settings that the server reports.

use core::ops::Range;

use crate::error::{Error, ErrorKind, Result};
use crate::message::status::ParameterStatus;

/// Place for what a server reports at the start of a session, so that it is made once.
const USUAL_TEXT: usize = 512;
const USUAL_COUNT: usize = 20;

/// Names and values in one piece of text: a server reports a dozen settings at every login, and two allocations for each
/// would be most of what a login costs.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    text: String,
    settings: Vec<Setting>,
}

#[derive(Clone, Debug)]
struct Setting {
    name: Range<usize>,
    value: Range<usize>,
}

impl Parameters {
    /// Takes a report in.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for a new setting above `limit`.
    pub(super) fn set(&mut self, status: &ParameterStatus<'_>, limit: usize) -> Result<()> {
        let known = self.position(status.name);
        match known.and_then(|at| self.settings.get(at)) {
            Some(setting) if self.at(&setting.value) == status.value => return Ok(()),
            Some(_) => {}
            None if self.settings.len() < limit => {}
            None => {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    "the server reports too many settings",
                ));
            }
        }
        if let Some(at) = known {
            self.remove(at);
        }
        if self.settings.is_empty() {
            self.text.reserve(USUAL_TEXT);
            self.settings.reserve(USUAL_COUNT);
        }
        let name = self.append(status.name);
        let value = self.append(status.value);
        self.settings.push(Setting { name, value });
        Ok(())
    }

    /// The value of a setting.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let setting = self.settings.get(self.position(name)?)?;
        Some(self.at(&setting.value))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.settings
            .iter()
            .position(|setting| setting.name.len() == name.len() && self.at(&setting.name) == name)
    }

    fn at(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn append(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Forgets a setting and its text, so that settings that change for ever take no more memory than they need.
    fn remove(&mut self, at: usize) {
        self.settings.remove(at);
        let mut kept = Self { text: String::with_capacity(self.text.len()), settings: Vec::new() };
        for setting in &self.settings {
            let name = kept.append(self.at(&setting.name));
            let value = kept.append(self.at(&setting.value));
            kept.settings.push(Setting { name, value });
        }
        *self = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_report_of_a_setting_counts() {
        let mut parameters = Parameters::default();
        let mut set = |name: &str, value: &str, limit| {
            let done = parameters.set(&ParameterStatus { name, value }, limit);
            (done.is_ok(), parameters.get("zone").map(str::to_owned))
        };
        assert_eq!(set("zone", "UTC", 2), (true, Some("UTC".into())));
        assert_eq!(set("style", "ISO", 2), (true, Some("UTC".into())));
        assert_eq!(set("more", "no", 2), (false, Some("UTC".into())));
        for round in 0..100 {
            let zone = format!("zone {round}");
            assert_eq!(set("zone", &zone, 2), (true, Some(zone.clone())));
        }
        assert_eq!(parameters.get("style"), Some("ISO"));
        assert_eq!(parameters.get("more"), None);
        assert_eq!(parameters.text.len(), "zonezone 99styleISO".len());
    }
}
