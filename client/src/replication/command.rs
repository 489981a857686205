//! The commands of the replication protocol, and what answers them.

use std::time::Duration;

use stellata_protocol::quote;
use stellata_protocol::replication::Lsn;
use stellata_protocol::replication::pgoutput::{PgOutput, Version};

use crate::connection::SimpleResult;
use crate::error::{Error, ErrorKind, Result};
use crate::replication::malformed;

/// The longest name, in bytes (`NAMEDATALEN` of the server, less one).
const NAME: usize = 63;

/// How often positions are reported where nothing else says so.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// A server, as it names itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The number of the cluster: a standby has that of its primary.
    pub system_id: String,
    /// Its timeline.
    pub timeline: u32,
    /// Where its log ends, as far as it is on disk.
    pub position: Lsn,
    /// The database of this connection, if it has one.
    pub database: Option<String>,
}

/// The history file of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineHistory {
    /// Its name, such as `00000002.history`.
    pub file_name: String,
    /// Lines of a timeline, the position where it was left, and why.
    pub content: String,
}

/// A slot that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedSlot {
    /// Its name.
    pub name: String,
    /// The position from which on transactions that commit are streamed; 0/0 for a physical slot.
    pub consistent_point: Lsn,
    /// The name of the exported snapshot, for `set transaction snapshot` in another session. It is there until this
    /// connection runs its next command.
    pub snapshot: Option<String>,
    /// The output plugin; `None` for a physical slot.
    pub plugin: Option<String>,
}

/// From where a physical slot keeps the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotPosition {
    /// The kind of slot: `physical`.
    pub kind: String,
    /// The position, and the timeline there; `None` where the slot keeps nothing yet.
    pub keeps: Option<(Lsn, u32)>,
}

/// What becomes of the snapshot in which a new logical slot begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snapshot {
    /// Another session can read the tables as they are where the stream begins.
    Export,
    /// This session does, in the transaction that is open: the first statement after `begin isolation level repeatable read
    /// read only` must be this.
    Use,
    /// Nobody needs it.
    #[default]
    Nothing,
}

/// A slot to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSlot {
    name: String,
    temporary: bool,
    kind: SlotKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum SlotKind {
    Physical { reserve_wal: bool },
    Logical { plugin: String, snapshot: Snapshot, two_phase: bool, failover: bool },
}

impl NewSlot {
    /// A logical slot of the plugin `pgoutput`. Its name is of lower case letters, digits and underscores.
    #[must_use]
    pub fn logical(name: &str) -> Self {
        let kind = SlotKind::Logical {
            plugin: "pgoutput".to_owned(),
            snapshot: Snapshot::Nothing,
            two_phase: false,
            failover: false,
        };
        Self { name: name.to_owned(), temporary: false, kind }
    }

    /// A physical slot. With `reserve_wal` it keeps the log from now on, else from the first stream on.
    #[must_use]
    pub fn physical(name: &str, reserve_wal: bool) -> Self {
        let kind = SlotKind::Physical { reserve_wal };
        Self { name: name.to_owned(), temporary: false, kind }
    }

    /// Lets the slot go with this connection, or with its first command that fails.
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.temporary = true;
        self
    }

    /// What becomes of the snapshot of a logical slot. Default: nothing.
    #[must_use]
    pub fn with_snapshot(mut self, wanted: Snapshot) -> Self {
        if let SlotKind::Logical { snapshot, .. } = &mut self.kind {
            *snapshot = wanted;
        }
        self
    }

    /// Decodes transactions in two phases when they are prepared, in a logical slot. Default: when they are committed.
    #[must_use]
    pub fn two_phase(mut self) -> Self {
        if let SlotKind::Logical { two_phase, .. } = &mut self.kind {
            *two_phase = true;
        }
        self
    }

    /// Keeps a logical slot on the standbys too, so that it is there after a failover (since server 17). Default: no.
    #[must_use]
    pub fn failover(mut self) -> Self {
        if let SlotKind::Logical { failover, .. } = &mut self.kind {
            *failover = true;
        }
        self
    }

    /// Another output plugin. What it sends is its own: only `pgoutput` has typed events.
    #[must_use]
    pub fn with_plugin(mut self, wanted: &str) -> Self {
        if let SlotKind::Logical { plugin, .. } = &mut self.kind {
            wanted.clone_into(plugin);
        }
        self
    }

    /// The command, in the form that all servers from 14 on know, and where that does not say all in that of 15 and later.
    pub(super) fn command(&self) -> Result<String> {
        let mut sql = format!("CREATE_REPLICATION_SLOT {}", name(&self.name)?);
        if self.temporary {
            sql.push_str(" TEMPORARY");
        }
        match &self.kind {
            SlotKind::Physical { reserve_wal } => {
                sql.push_str(" PHYSICAL");
                if *reserve_wal {
                    sql.push_str(" RESERVE_WAL");
                }
            }
            SlotKind::Logical { plugin, snapshot, two_phase, failover: true } => {
                let snapshot = match snapshot {
                    Snapshot::Export => "export",
                    Snapshot::Use => "use",
                    Snapshot::Nothing => "nothing",
                };
                let plugin = name(plugin)?;
                let two_phase = if *two_phase { "TWO_PHASE true, " } else { "" };
                sql.push_str(&format!(
                    " LOGICAL {plugin} (SNAPSHOT '{snapshot}', {two_phase}FAILOVER true)"
                ));
            }
            SlotKind::Logical { plugin, snapshot, two_phase, failover: false } => {
                sql.push_str(" LOGICAL ");
                sql.push_str(&name(plugin)?);
                sql.push_str(match snapshot {
                    Snapshot::Export => " EXPORT_SNAPSHOT",
                    Snapshot::Use => " USE_SNAPSHOT",
                    Snapshot::Nothing => " NOEXPORT_SNAPSHOT",
                });
                if *two_phase {
                    sql.push_str(" TWO_PHASE");
                }
            }
        }
        Ok(sql)
    }
}

/// What is to be changed of a logical slot. What is not said stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotChange {
    failover: Option<bool>,
    two_phase: Option<bool>,
}

impl SlotChange {
    /// Nothing yet: a server refuses a change of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { failover: None, two_phase: None }
    }

    /// Whether the slot is kept on the standbys too (since server 17).
    #[must_use]
    pub const fn failover(mut self, wanted: bool) -> Self {
        self.failover = Some(wanted);
        self
    }

    /// Whether transactions in two phases are decoded when they are prepared (since server 18). It can only be turned off while
    /// no such transaction is prepared.
    #[must_use]
    pub const fn two_phase(mut self, wanted: bool) -> Self {
        self.two_phase = Some(wanted);
        self
    }

    pub(super) fn command(self, slot: &str) -> Result<String> {
        let options = [("FAILOVER", self.failover), ("TWO_PHASE", self.two_phase)];
        let options = options.iter().filter_map(|(option, wanted)| Some((option, (*wanted)?)));
        let options: Vec<String> =
            options.map(|(option, wanted)| format!("{option} {wanted}")).collect();
        Ok(format!("ALTER_REPLICATION_SLOT {} ({})", name(slot)?, options.join(", ")))
    }
}

/// When the parts of large transactions are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamingMode {
    /// Once they are committed: the server keeps them until then, on disk beyond `logical_decoding_work_mem`.
    #[default]
    Off,
    /// While they are open, beyond that size (since server 14).
    On,
    /// As [`StreamingMode::On`], telling of a rollback where and when it was (since server 16).
    Parallel,
}

/// Which changes are sent, by where they were first made (since server 16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// All.
    #[default]
    Any,
    /// Those alone that were made here, and did not come by replication.
    Local,
}

/// What a logical stream is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalOptions {
    slot: String,
    publications: Vec<String>,
    from: Lsn,
    streaming: StreamingMode,
    two_phase: bool,
    messages: bool,
    binary: bool,
    origins: Origins,
    version: Option<Version>,
    pub(super) interval: Duration,
    pub(super) silence: Duration,
}

impl LogicalOptions {
    /// The changes that publications tell, by a slot.
    pub fn new<P: Into<String>>(slot: &str, publications: impl IntoIterator<Item = P>) -> Self {
        Self {
            slot: slot.to_owned(),
            publications: publications.into_iter().map(Into::into).collect(),
            from: Lsn::INVALID,
            streaming: StreamingMode::Off,
            two_phase: false,
            messages: false,
            binary: true,
            origins: Origins::Any,
            version: None,
            interval: INTERVAL,
            silence: SILENCE,
        }
    }

    /// Begins behind this position: transactions whose commit ends at or before it are passed over by the server. What was
    /// confirmed before never comes again, whatever this says. Default: what was confirmed.
    #[must_use]
    pub const fn from(mut self, position: Lsn) -> Self {
        self.from = position;
        self
    }

    /// Sends parts of large transactions while they are open. Default: off.
    #[must_use]
    pub const fn with_streaming(mut self, streaming: StreamingMode) -> Self {
        self.streaming = streaming;
        self
    }

    /// Sends transactions in two phases when they are prepared (since server 15). Default: when they are committed.
    #[must_use]
    pub const fn two_phase(mut self) -> Self {
        self.two_phase = true;
        self
    }

    /// Sends what applications write by `pg_logical_emit_message`. Default: no.
    #[must_use]
    pub const fn with_messages(mut self) -> Self {
        self.messages = true;
        self
    }

    /// Sends values as text. Rust types other than texts can't be read from it; the server can be asked for it where a type
    /// has a binary form that nothing here knows. Default: binary.
    #[must_use]
    pub const fn as_text(mut self) -> Self {
        self.binary = false;
        self
    }

    /// Which changes are sent, by where they were first made. Default: all.
    #[must_use]
    pub const fn with_origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// The version of pgoutput's messages. Default: the oldest that has what is asked for, which every server from 14 on
    /// knows.
    #[must_use]
    pub const fn with_version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// How often positions are reported when nothing else gives an occasion: every 10 ms at most, whatever less is said. It must
    /// be well below the server's `wal_sender_timeout`. Default: 10 s.
    #[must_use]
    pub const fn with_status_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long the server may say nothing, when it was asked to halfway, before the connection is given up. So long it may
    /// be silent at the beginning and the end of the stream too. Default: 60 s.
    #[must_use]
    pub const fn with_silence(mut self, limit: Duration) -> Self {
        self.silence = limit;
        self
    }

    /// The oldest version that has what is asked for.
    fn needed(&self) -> Version {
        match (self.streaming, self.two_phase) {
            (StreamingMode::Parallel, _) => Version::V4,
            (_, true) => Version::V3,
            (StreamingMode::On, false) => Version::V2,
            (StreamingMode::Off, false) => Version::V1,
        }
    }

    /// What reads the messages that such a stream sends.
    pub(super) fn decoder(&self) -> PgOutput {
        match self.streaming {
            StreamingMode::Parallel => PgOutput::parallel(),
            StreamingMode::Off | StreamingMode::On => {
                PgOutput::new(self.version.unwrap_or(self.needed()))
            }
        }
    }

    pub(super) fn command(&self) -> Result<String> {
        let needed = self.needed();
        let version = self.version.unwrap_or(needed);
        if version < needed {
            return Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "version {} of pgoutput does not have what is asked for; {} does",
                    version.number(),
                    needed.number()
                ),
            ));
        }
        let mut options = vec![("proto_version", version.number().to_string())];
        let names: Result<Vec<String>, _> =
            self.publications.iter().map(|name| quote::identifier(name)).collect();
        options.push(("publication_names", names.map_err(Error::encode)?.join(",")));
        match self.streaming {
            StreamingMode::Off => {}
            StreamingMode::On => options.push(("streaming", "on".to_owned())),
            StreamingMode::Parallel => options.push(("streaming", "parallel".to_owned())),
        }
        let flags =
            [("two_phase", self.two_phase), ("messages", self.messages), ("binary", self.binary)];
        options
            .extend(flags.into_iter().filter(|flag| flag.1).map(|(name, _)| (name, "on".into())));
        if self.origins == Origins::Local {
            options.push(("origin", "none".to_owned()));
        }
        let mut sql =
            format!("START_REPLICATION SLOT {} LOGICAL {} (", name(&self.slot)?, self.from);
        for (index, (option, value)) in options.into_iter().enumerate() {
            if index > 0 {
                sql.push_str(", ");
            }
            quote::push_identifier(option, &mut sql);
            sql.push(' ');
            sql.push_str(&quote::replication_literal(&value).map_err(Error::encode)?);
        }
        sql.push(')');
        Ok(sql)
    }
}

/// What a physical stream is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhysicalOptions {
    slot: Option<String>,
    from: Lsn,
    timeline: Option<u32>,
    pub(super) interval: Duration,
    pub(super) silence: Duration,
}

impl PhysicalOptions {
    /// The log from this position on.
    #[must_use]
    pub const fn new(from: Lsn) -> Self {
        Self { slot: None, from, timeline: None, interval: INTERVAL, silence: SILENCE }
    }

    /// Moves a slot along with what is confirmed. Default: without one, the server keeps of the log what its settings say.
    #[must_use]
    pub fn with_slot(mut self, slot: &str) -> Self {
        self.slot = Some(slot.to_owned());
        self
    }

    /// On that timeline, to its end. Default: on the server's own.
    #[must_use]
    pub const fn with_timeline(mut self, timeline: u32) -> Self {
        self.timeline = Some(timeline);
        self
    }

    /// As [`LogicalOptions::with_status_interval`].
    #[must_use]
    pub const fn with_status_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// As [`LogicalOptions::with_silence`].
    #[must_use]
    pub const fn with_silence(mut self, limit: Duration) -> Self {
        self.silence = limit;
        self
    }

    pub(super) fn command(&self) -> Result<String> {
        let mut sql = "START_REPLICATION".to_owned();
        if let Some(slot) = &self.slot {
            sql.push_str(" SLOT ");
            sql.push_str(&name(slot)?);
        }
        sql.push_str(&format!(" PHYSICAL {}", self.from));
        if let Some(timeline) = self.timeline {
            sql.push_str(&format!(" TIMELINE {timeline}"));
        }
        Ok(sql)
    }
}

/// A name, quoted. A longer one would be cut off, and might then be that of another slot.
pub(super) fn name(name: &str) -> Result<String> {
    if name.len() > NAME {
        let message =
            format!("a name has {} bytes, and the server cuts it off after {NAME}", name.len());
        return Err(Error::new(ErrorKind::Encode, message));
    }
    quote::identifier(name).map_err(Error::encode)
}

/// The row of an answer that has one.
pub(super) fn single_row(results: Vec<SimpleResult>) -> Result<Vec<Option<String>>> {
    let mut rows = results.into_iter().flat_map(|result| result.rows);
    match (rows.next(), rows.next()) {
        (Some(row), None) => Ok(row),
        _ => Err(malformed("the answer to a replication command has not one row")),
    }
}

pub(super) fn cell(row: &[Option<String>], index: usize) -> Result<&str> {
    row.get(index)
        .and_then(Option::as_deref)
        .ok_or_else(|| malformed("the answer to a replication command lacks a value"))
}

pub(super) fn number(text: &str) -> Result<u32> {
    text.parse().map_err(|_| malformed("a number in the answer to a replication command is none"))
}

pub(super) fn position(text: &str) -> Result<Lsn> {
    text.parse().map_err(|_| malformed("a position in the answer to a replication command is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_asked_for_as_every_server_knows_it() {
        let slot = NewSlot::logical("s");
        let check = |slot: &NewSlot, sql: &str| assert_eq!(slot.command().unwrap(), sql);
        check(&slot, r#"CREATE_REPLICATION_SLOT "s" LOGICAL "pgoutput" NOEXPORT_SNAPSHOT"#);
        check(
            &slot.clone().temporary().two_phase().with_snapshot(Snapshot::Export),
            r#"CREATE_REPLICATION_SLOT "s" TEMPORARY LOGICAL "pgoutput" EXPORT_SNAPSHOT TWO_PHASE"#,
        );
        check(
            &slot.clone().failover().two_phase().with_snapshot(Snapshot::Use),
            r#"CREATE_REPLICATION_SLOT "s" LOGICAL "pgoutput" (SNAPSHOT 'use', TWO_PHASE true, FAILOVER true)"#,
        );
        check(
            &NewSlot::physical("p\"q", true),
            r#"CREATE_REPLICATION_SLOT "p""q" PHYSICAL RESERVE_WAL"#,
        );
        let changed = SlotChange::new().failover(true).two_phase(false).command("s\"s");
        assert_eq!(
            changed.unwrap(),
            r#"ALTER_REPLICATION_SLOT "s""s" (FAILOVER true, TWO_PHASE false)"#
        );
        let long = "s".repeat(64);
        assert_eq!(NewSlot::logical(&long).command().unwrap_err().kind(), ErrorKind::Encode);
        assert_eq!(NewSlot::logical("").command().unwrap_err().kind(), ErrorKind::Encode);
    }

    #[test]
    fn names_of_publications_are_quoted_twice_over() {
        let options = LogicalOptions::new("s", ["plain", "it's, \"odd\""]).with_messages();
        assert_eq!(
            options.command().unwrap(),
            r#"START_REPLICATION SLOT "s" LOGICAL 0/0 ("proto_version" '1', "publication_names" '"plain","it''s, ""odd"""', "messages" 'on', "binary" 'on')"#
        );
        let options = PhysicalOptions::new(Lsn(0x1_0000_0000)).with_slot("p").with_timeline(2);
        assert_eq!(
            options.command().unwrap(),
            r#"START_REPLICATION SLOT "p" PHYSICAL 1/0 TIMELINE 2"#
        );
    }

    #[test]
    fn the_version_is_the_oldest_that_will_do() {
        let options = LogicalOptions::new("s", ["p"]);
        let version = |options: &LogicalOptions| options.needed().number();
        assert_eq!(version(&options), 1);
        assert_eq!(version(&options.clone().with_streaming(StreamingMode::On)), 2);
        assert_eq!(version(&options.clone().with_streaming(StreamingMode::On).two_phase()), 3);
        assert_eq!(version(&options.clone().with_streaming(StreamingMode::Parallel)), 4);
        let error = options.two_phase().with_version(Version::V2).command().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}
