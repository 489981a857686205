//! The name of a table.

/// The name of a table that is copied, for [`Connection::copy_in`](crate::Connection::copy_in) and
/// [`Connection::copy_out`](crate::Connection::copy_out): each part is taken as it is, and quoted.
///
/// A text is split at its dots: `"tracks"`, `"music.tracks"`. A pair is schema and table, in which a dot is a letter like any
/// other; [`CopyTable::named`] is such a name without a schema.
///
/// ```no_run
/// # async fn example(connection: &mut stellata_client::Connection) -> Result<(), stellata_client::Error> {
/// use stellata_client::CopyTable;
///
/// connection.copy_in("music.tracks", &["title"]).rows([("Intro",)]).await?;
/// connection.copy_in(("music", "tracks v1.2"), &["title"]).rows([("Intro",)]).await?;
/// connection.copy_in(CopyTable::named("tracks v1.2"), &["title"]).rows([("Intro",)]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CopyTable(Vec<String>);

impl CopyTable {
    /// A table that the search path finds, by its name as it is, dots and all.
    #[must_use]
    pub fn named(table: &str) -> Self {
        Self(vec![table.to_owned()])
    }

    pub(super) fn into_parts(self) -> Vec<String> {
        self.0
    }
}

impl From<&str> for CopyTable {
    fn from(name: &str) -> Self {
        Self(name.split('.').map(str::to_owned).collect())
    }
}

impl From<&String> for CopyTable {
    fn from(name: &String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<(&str, &str)> for CopyTable {
    fn from((schema, table): (&str, &str)) -> Self {
        Self(vec![schema.to_owned(), table.to_owned()])
    }
}
