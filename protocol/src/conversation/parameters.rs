//! The settings that the server reports.

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

/// Where a setting stands in the text: its name, and its value right behind that. Nothing is longer than 30 000 bytes,
/// and the limit of all is far below what 32 bits count.
#[derive(Clone, Copy, Debug)]
struct Setting {
    start: u32,
    name: u32,
    value: u32,
}

impl Parameters {
    /// Takes a report in.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for a new setting above `limit`.
    pub(super) fn set(&mut self, status: &ParameterStatus<'_>, limit: usize) -> Result<()> {
        let known = self.position(status.name);
        match known.and_then(|at| self.settings.get(at)) {
            Some(setting) if self.value(*setting) == status.value => return Ok(()),
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
        self.append(status.name, status.value)
    }

    /// The value of a setting.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let setting = self.settings.get(self.position(name)?)?;
        Some(self.value(*setting))
    }

    fn position(&self, name: &str) -> Option<usize> {
        let length = u32::try_from(name.len()).ok()?;
        self.settings
            .iter()
            .position(|setting| setting.name == length && self.name(*setting) == name)
    }

    fn name(&self, setting: Setting) -> &str {
        self.at(setting.start, setting.name)
    }

    fn value(&self, setting: Setting) -> &str {
        self.at(setting.start.wrapping_add(setting.name), setting.value)
    }

    fn at(&self, start: u32, length: u32) -> &str {
        let place = |start, length| {
            let start = usize::try_from(start).ok()?;
            self.text.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        };
        place(start, length).unwrap_or_default()
    }

    fn append(&mut self, name: &str, value: &str) -> Result<()> {
        let count = |length: usize| {
            let most = "the settings that the server reports are too long";
            u32::try_from(length).map_err(|_| Error::new(ErrorKind::TooLarge, most))
        };
        let start = self.text.len();
        let (all, setting) = (
            start.saturating_add(name.len()).saturating_add(value.len()),
            Setting { start: count(start)?, name: count(name.len())?, value: count(value.len())? },
        );
        count(all)?;
        self.text.push_str(name);
        self.text.push_str(value);
        self.settings.push(setting);
        Ok(())
    }

    /// Forgets a setting and its text, so that settings that change for ever take no more memory than they need.
    fn remove(&mut self, at: usize) {
        let gone = self.settings.remove(at);
        let length = gone.name.wrapping_add(gone.value);
        let place = |start: u32| usize::try_from(start).unwrap_or(usize::MAX);
        let range = place(gone.start)..place(gone.start.wrapping_add(length));
        if self.text.get(range.clone()).is_some() {
            self.text.replace_range(range, "");
        }
        for setting in &mut self.settings {
            if setting.start > gone.start {
                setting.start = setting.start.wrapping_sub(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(parameters.text, "styleISOzonezone 99");
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(
            reports in proptest::collection::vec(("[a-c]{0,2}", "[x-z\u{e9}]{0,3}"), 0..40),
            limit in 1..8_usize,
        ) {
            let mut parameters = Parameters::default();
            let mut model = std::collections::BTreeMap::new();
            for (name, value) in &reports {
                let is_room = model.contains_key(name) || model.len() < limit;
                let done = parameters.set(&ParameterStatus { name, value }, limit);
                prop_assert_eq!(done.is_ok(), is_room);
                if is_room {
                    model.insert(name.clone(), value.clone());
                }
                for (name, value) in &model {
                    prop_assert_eq!(parameters.get(name), Some(value.as_str()));
                }
                prop_assert_eq!(parameters.settings.len(), model.len());
            }
        }
    }
}
