//! Settings of the server that hold for a transaction or for one statement.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use stellata_protocol::{Params, quote};

use crate::error::{Error, ErrorKind, Result};

/// Settings of the server (manual: "Server Configuration") for a transaction or for one statement.
///
/// They reach the server as parameters of `set_config(.., true)`, which is `set local`: in the same flush as what they are
/// for, and gone when the transaction ends, however it ends. Nothing is left in the session, so that they hold behind a
/// pooler as well, and nothing has to be cleaned.
///
/// ```
/// use std::time::Duration;
/// use stellata_client::Settings;
///
/// let settings = Settings::new()
///     .statement_timeout(Duration::from_secs(2))
///     .search_path(["tenant_7", "public"])
///     .set("app.user", "anna");
/// assert_eq!(settings.names().collect::<Vec<_>>(), ["statement_timeout", "search_path", "app.user"]);
/// ```
///
/// What PostgreSQL does not let a function change is refused by the server: settings of the whole server, and those of a
/// transaction that has begun (`transaction_isolation`). A setting of one's own (`app.user`) that the session had never heard
/// of is empty afterwards, not unknown: `current_setting('app.user', true)` gives `''` then instead of NULL, as behind any
/// `set local`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    all: Vec<Setting>,
}

#[derive(Clone, PartialEq, Eq)]
struct Setting {
    name: String,
    value: String,
}

impl Settings {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { all: Vec::new() }
    }

    /// Sets a setting by its name, also one of the application's own (`app.user`). The value needs no quotes. Of several
    /// values for one name the last counts.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let setting = Setting { name: name.into(), value: value.into() };
        match self.all.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&setting.name)) {
            Some(known) => *known = setting,
            None => self.all.push(setting),
        }
        self
    }

    /// Sets after how long the server cancels a statement by itself (`statement_timeout`), in whole milliseconds of which it
    /// takes up to 2^31 - 1; zero for no limit. The call fails then with SQLSTATE 57014.
    ///
    /// A limit that holds also where the server or the network is silent is [`QueryOptions::limit`](crate::QueryOptions::limit).
    #[must_use]
    pub fn statement_timeout(self, limit: Duration) -> Self {
        self.set("statement_timeout", millis(limit))
    }

    /// Sets how long a statement waits for any one lock (`lock_timeout`), in whole milliseconds as above; zero for no limit.
    /// It fails then with SQLSTATE 55P03.
    #[must_use]
    pub fn lock_timeout(self, limit: Duration) -> Self {
        self.set("lock_timeout", millis(limit))
    }

    /// Sets after how long the server ends a session that is in a transaction and asks nothing
    /// (`idle_in_transaction_session_timeout`), in whole milliseconds as above; zero for no limit.
    #[must_use]
    pub fn idle_in_transaction_timeout(self, limit: Duration) -> Self {
        self.set("idle_in_transaction_session_timeout", millis(limit))
    }

    /// Sets the schemas in which names without one are looked up (`search_path`), each a plain name: it is quoted.
    ///
    /// A prepared statement is planned anew by the server where the path has become another. In a transaction it fails
    /// (0A000) if its columns are of other types there.
    #[must_use]
    pub fn search_path<S: AsRef<str>>(self, schemas: impl IntoIterator<Item = S>) -> Self {
        let mut path = String::new();
        for schema in schemas {
            if !path.is_empty() {
                path.push_str(", ");
            }
            quote::push_identifier(schema.as_ref(), &mut path);
        }
        self.set("search_path", path)
    }

    /// Sets by what name the session shows in `pg_stat_activity` and in the server's log (`application_name`).
    #[must_use]
    pub fn application_name(self, name: impl Into<String>) -> Self {
        self.set("application_name", name)
    }

    /// These, and others, which count where both name a setting.
    #[must_use]
    pub fn and(self, others: &Self) -> Self {
        let others = others.all.iter();
        others.fold(self, |all, setting| all.set(setting.name.as_str(), setting.value.as_str()))
    }

    /// The names that are set, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|setting| setting.name.as_str())
    }

    /// The value of a setting, where it is set here.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let setting = self.all.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))?;
        Some(&setting.value)
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The statement that puts them in force until the end of the transaction that is open or begins with it, with its
    /// parameters. It returns one row, which is of no use.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where they can't be set at all: none, or `client_encoding`, which is always UTF8.
    pub fn until_end(&self) -> Result<(String, Params)> {
        let mut sql = String::from("select ");
        for place in self.places()? {
            let comma = if place == 0 { "" } else { ", " };
            let (name, value) = (2 * place + 1, 2 * place + 2);
            // Writing to a string does not fail.
            let _ = write!(sql, "{comma}pg_catalog.set_config(${name}, ${value}, true)");
        }
        Ok((sql, self.params(true)?))
    }

    /// The statements that put them in force and take them back, for what runs between the two in a transaction.
    ///
    /// The values of before are kept in settings of the transaction, `stellata.before_{level}_1` and so on: what is nested
    /// needs levels that differ. Where what runs between fails, the rollback takes the settings back too.
    ///
    /// # Errors
    /// As [`Settings::until_end`].
    pub fn for_a_while(&self, level: u32) -> Result<[(String, Params); 2]> {
        let (mut before, mut after) = (String::from("select "), String::from("select "));
        for place in self.places()? {
            let comma = if place == 0 { "" } else { ", " };
            let (name, value) = (2 * place + 1, 2 * place + 2);
            // The list of a select is worked off from left to right.
            let _ = write!(
                before,
                "{comma}pg_catalog.set_config('stellata.before_{level}_{place}', \
                 pg_catalog.current_setting(${name}, true), true), \
                 pg_catalog.set_config(${name}, ${value}, true)",
            );
            let name = place + 1;
            let _ = write!(
                after,
                "{comma}pg_catalog.set_config(${name}, \
                 pg_catalog.current_setting('stellata.before_{level}_{place}', true), true)",
            );
        }
        Ok([(before, self.params(true)?), (after, self.params(false)?)])
    }

    fn places(&self) -> Result<std::ops::Range<usize>> {
        if self.all.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "there are no settings to set"));
        }
        if self.value("client_encoding").is_some() {
            let message = "the setting client_encoding is always UTF8: text could not be read";
            return Err(Error::new(ErrorKind::Usage, message));
        }
        Ok(0..self.all.len())
    }

    /// The names as parameters, each with its value or alone.
    fn params(&self, with_values: bool) -> Result<Params> {
        let mut params = Params::new();
        for Setting { name, value } in &self.all {
            params.push(&name.as_str()).map_err(Error::encode)?;
            if with_values {
                params.push(&value.as_str()).map_err(Error::encode)?;
            }
        }
        Ok(params)
    }

    /// The error of a statement that was to put these in force, which then says so, and which setting it was.
    #[must_use]
    pub fn refused(&self, error: Error) -> Error {
        let Some(server) = error.server() else { return error };
        let is_named =
            |setting: &&Setting| server.message.contains(&format!("\"{}\"", setting.name));
        let note = match self.all.iter().find(is_named) {
            Some(setting) => format!("the setting {} was refused", setting.name),
            None => {
                let names: Vec<&str> = self.names().collect();
                format!("the setting {} was refused", names.join(" or "))
            }
        };
        error.with_note(note)
    }
}

/// The names alone: a value may be a secret of the application.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings ")?;
        f.debug_list().entries(self.names()).finish()
    }
}

/// A limit in the words of the server. What is shorter than it can tell is not taken for no limit at all.
fn millis(limit: Duration) -> String {
    const MOST: u128 = 2_147_483_647;
    let millis = limit.as_nanos().div_ceil(1_000_000);
    format!("{}ms", millis.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_names_nor_values_enter_the_text() {
        let settings =
            Settings::new().set("a.b", "'; drop table t").set("c.d'", "2").set("A.B", "3");
        let (sql, params) = settings.until_end().unwrap();
        assert_eq!(
            sql,
            "select pg_catalog.set_config($1, $2, true), pg_catalog.set_config($3, $4, true)"
        );
        assert_eq!(params.len(), 4);
        assert_eq!(settings.value("a.b"), Some("3"), "the last counts");
        let [(before, first), (after, second)] = settings.for_a_while(7).unwrap();
        assert!(!before.contains("drop") && !before.contains("c.d"), "{before}");
        assert!(after.contains("stellata.before_7_1"), "{after}");
        assert_eq!((first.len(), second.len()), (4, 2));
    }

    #[test]
    fn limits_are_whole_milliseconds_and_never_none_by_mistake() {
        let of = |limit| Settings::new().statement_timeout(limit);
        let value = |settings: Settings| settings.value("statement_timeout").map(str::to_owned);
        assert_eq!(value(of(Duration::from_micros(1))).as_deref(), Some("1ms"));
        assert_eq!(value(of(Duration::from_millis(1500))).as_deref(), Some("1500ms"));
        assert_eq!(value(of(Duration::ZERO)).as_deref(), Some("0ms"));
        assert_eq!(value(of(Duration::MAX)).as_deref(), Some("2147483647ms"));
    }

    #[test]
    fn schemas_are_quoted_and_values_are_not_shown() {
        let settings = Settings::new().search_path(["a\"b", "public"]).set("app.token", "secret");
        assert_eq!(settings.value("search_path"), Some("\"a\"\"b\", \"public\""));
        assert_eq!(format!("{settings:?}"), "Settings [\"search_path\", \"app.token\"]");
    }

    #[test]
    fn what_can_not_be_set_is_said_before_anything_is_sent() {
        for settings in [Settings::new(), Settings::new().set("Client_Encoding", "LATIN1")] {
            assert_eq!(settings.until_end().unwrap_err().kind(), ErrorKind::Usage);
            assert_eq!(settings.for_a_while(0).unwrap_err().kind(), ErrorKind::Usage);
        }
    }
}
