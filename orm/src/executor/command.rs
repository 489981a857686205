//! Commands that ride along with a statement in the same flush.

use std::borrow::Cow;

use stellata_client::{
    ColumnError, Completion, Connection, Expect, Params, Result, Settings, Ticket,
};

use crate::failure;

/// A command that rides along with a statement.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    text: Cow<'static, str>,
    /// Of one that sets settings: its parameters, and what it sets.
    set: Option<Box<(Params, Settings)>>,
}

impl Command {
    pub(crate) fn plain(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), set: None }
    }

    fn set((sql, params): (String, Params), settings: &Settings) -> Self {
        Self { text: Cow::Owned(sql), set: Some(Box::new((params, settings.clone()))) }
    }

    /// Puts settings in force until the end of the transaction.
    pub(crate) fn until_end(settings: &Settings) -> crate::error::Result<Self> {
        let command = settings.until_end().map_err(|error| failure::of_client(None, error))?;
        Ok(Self::set(command, settings))
    }

    /// Puts settings in force, and takes them back.
    pub(crate) fn for_a_while(
        settings: &Settings,
        level: u32,
    ) -> crate::error::Result<(Self, Self)> {
        let commands = settings.for_a_while(level);
        let [before, after] = commands.map_err(|error| failure::of_client(None, error))?;
        Ok((Self::set(before, settings), Self::set(after, settings)))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Adds commands to the batch of a connection.
pub(crate) fn submit_all(connection: &mut Connection, commands: &[Command]) -> Result<Vec<Ticket>> {
    let none = Params::new();
    let submit = |command: &Command| {
        let params = command.set.as_ref().map_or(&none, |set| &set.0);
        connection.submit(&command.text(), params)
    };
    commands.iter().map(submit).collect()
}

/// Puts commands and what goes with them into one flush. Where that can't be done, nothing of it is sent but the first `stay`
/// of the commands: they are the transaction's, and leave ahead of its next statement.
pub(crate) fn submit_with<T>(
    connection: &mut Connection,
    commands: &[Command],
    stay: usize,
    rest: impl FnOnce(&mut Connection) -> Result<T>,
) -> Result<(Vec<Ticket>, T)> {
    connection.begin_batch()?;
    let put = submit_all(connection, commands)
        .and_then(|tickets| rest(connection).map(|rest| (tickets, rest)));
    if let Err(error) = put {
        // The connection has taken back all of it.
        if stay > 0 {
            connection.begin_batch()?;
            submit_all(connection, commands.get(..stay).unwrap_or_default())?;
            connection.sync()?;
        }
        return Err(error);
    }
    connection.sync()?;
    put
}

/// Reads the answers to commands; returns how the last one ended.
pub(crate) async fn read_all(
    connection: &mut Connection,
    commands: &[Command],
    tickets: Vec<Ticket>,
) -> Result<Completion> {
    let mut completion = Completion { rows: 0, rolled_back: false };
    for (command, ticket) in commands.iter().zip(tickets) {
        let check = if command.set.is_some() { any_columns } else { no_columns };
        match connection.rows(ticket, check, &mut |_| Ok(())).await {
            Ok(done) => completion = done,
            Err(error) => {
                return Err(match &command.set {
                    Some(set) => set.1.refused(error),
                    None => error,
                });
            }
        }
    }
    Ok(completion)
}

fn no_columns(columns: &mut Expect<'_>) -> Result<(), ColumnError> {
    columns.end()
}

fn any_columns(_: &mut Expect<'_>) -> Result<(), ColumnError> {
    Ok(())
}
