//! One session that listens.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use stellata_protocol::quote;

use crate::config::Config;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::listen::ListenEvent;

/// How many notifications are kept at least. One read brings no more than 128 KiB and the rest of a message, in which there
/// is room for some 11 700 of the shortest: what is read when all is taken is never too many.
const KEPT: usize = 16_384;

/// The longest name of a channel, in bytes (`NAMEDATALEN` of the server, less one).
const NAME: usize = 63;

/// Something that is asked of the server. The session comes back from it in any case.
pub(super) type Work = Pin<Box<dyn Future<Output = (Session, Result<()>)> + Send>>;

/// A connection, and the channels on which it is known to listen.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    channels: BTreeSet<String>,
    dropped: u64,
}

/// The configuration of a session that listens.
pub(super) fn config(config: &Config) -> Config {
    let mut limits = config.limits();
    limits.notifications = limits.notifications.max(KEPT);
    config.clone().with_limits(limits)
}

/// Holds a channel's name against what the server can tell from others.
pub(super) fn check_channel(channel: &str) -> Result<()> {
    quote::identifier(channel).map_err(Error::encode)?;
    if channel.len() > NAME {
        let message = format!(
            "the name of a channel has {} bytes, and the server cuts it off after {NAME}",
            channel.len()
        );
        return Err(Error::new(ErrorKind::Encode, message));
    }
    Ok(())
}

/// Waits for an answer that a silent network never brings.
async fn in_time<T>(limit: Duration, asked: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
        let message = format!("the server has been silent, and did not answer within {limit:?}");
        Err(Error::new(ErrorKind::Timeout, message))
    })
}

impl Session {
    /// Connects and listens; the server has so long to answer.
    pub(super) async fn open(
        config: Arc<Config>,
        wanted: BTreeSet<String>,
        limit: Duration,
    ) -> Result<Self> {
        let connection = Connection::connect(&config).await?;
        let mut session = Self { connection, channels: BTreeSet::new(), dropped: 0 };
        in_time(limit, session.come_to(wanted)).await?;
        Ok(session)
    }

    pub(super) fn channels(&self) -> &BTreeSet<String> {
        &self.channels
    }

    pub(super) fn listens_on(&self, wanted: &BTreeSet<String>) -> bool {
        self.channels == *wanted
    }

    /// Listens on these channels and on no other.
    pub(super) fn adjust(mut self, wanted: BTreeSet<String>, limit: Duration) -> Work {
        Box::pin(async move {
            let done = in_time(limit, self.come_to(wanted)).await;
            (self, done)
        })
    }

    /// Asks whether the server is there.
    pub(super) fn probe(mut self, limit: Duration) -> Work {
        Box::pin(async move {
            let answer = in_time(limit, self.connection.simple("")).await;
            (self, answer.map(drop))
        })
    }

    async fn come_to(&mut self, wanted: BTreeSet<String>) -> Result<()> {
        let mut sql = String::new();
        for channel in wanted.difference(&self.channels) {
            sql.push_str("listen ");
            quote::push_identifier(channel, &mut sql);
            sql.push(';');
        }
        for channel in self.channels.difference(&wanted) {
            sql.push_str("unlisten ");
            quote::push_identifier(channel, &mut sql);
            sql.push(';');
        }
        // One text is one transaction: all of it is done, or none.
        if !sql.is_empty() {
            self.connection.simple(&sql).await?;
        }
        self.channels = wanted;
        Ok(())
    }

    /// The next notification that is wanted, of those that have come.
    pub(super) fn take(&mut self, wanted: &BTreeSet<String>) -> Option<ListenEvent> {
        let dropped = self.connection.dropped_notifications();
        if dropped > self.dropped {
            let count = dropped - self.dropped;
            self.dropped = dropped;
            return Some(ListenEvent::Dropped(count));
        }
        loop {
            let notification = self.connection.pop_notification()?;
            if wanted.contains(&*notification.channel) {
                return Some(ListenEvent::Notification(notification));
            }
        }
    }

    /// Waits until something has come.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.connection.pop_notice().is_some() {}
        self.connection.poll_idle(cx)
    }
}
