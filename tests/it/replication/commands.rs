//! The commands of the replication protocol.

use stellata_client::replication::{
    LogicalOptions, Lsn, NewSlot, ReplicationConnection, SlotChange, Snapshot,
};
use stellata_client::{Config, Connection, ErrorKind};

use super::{connect, one, slot_name, with_notes};

#[test]
fn a_server_says_who_it_is() {
    with_notes(async |database| {
        let mut replication = connect(&database.url()).await;
        let identity = replication.identify_system().await.unwrap();
        let system_id = one(database, "select system_identifier from pg_control_system()");
        assert_eq!(identity.system_id, system_id);
        assert_eq!(identity.timeline, 1);
        assert_eq!(identity.database.as_deref(), Some(database.name()));
        assert!(identity.position > Lsn(0));
        assert_eq!(replication.show("wal_level").await.unwrap(), "logical");
        let rows = replication.simple("select 1, null").await.unwrap();
        assert_eq!(rows[0].rows, [[Some("1".to_owned()), None]]);
        // The first timeline has no history.
        let error = replication.timeline_history(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server);
        assert_eq!(replication.show("wal_level").await.unwrap(), "logical");
        replication.close().await;
    });
}

#[test]
fn a_connection_to_no_database_is_for_physical_replication() {
    with_notes(async |database| {
        let config = Config::parse(&database.url()).unwrap();
        let mut replication = ReplicationConnection::connect_physical(&config).await.unwrap();
        assert_eq!(replication.identify_system().await.unwrap().database, None);
    });
}

#[test]
fn slots_are_made_read_and_dropped() {
    with_notes(async |database| {
        let mut replication = connect(&database.url()).await;
        let name = slot_name();
        let made = replication.create_slot(&NewSlot::logical(&name)).await.unwrap();
        assert_eq!((made.name.as_str(), made.plugin.as_deref()), (name.as_str(), Some("pgoutput")));
        assert!(made.snapshot.is_none() && made.consistent_point > Lsn(0));
        let again = replication.create_slot(&NewSlot::logical(&name)).await.unwrap_err();
        assert_eq!(again.sqlstate().unwrap().as_str(), "42710");
        replication.drop_slot(&name, false).await.unwrap();
        let gone = replication.drop_slot(&name, true).await.unwrap_err();
        assert_eq!(gone.sqlstate().unwrap().as_str(), "42704");

        let name = slot_name();
        let made =
            replication.create_slot(&NewSlot::physical(&name, true).temporary()).await.unwrap();
        assert_eq!(made.plugin, None);
        if database.version() >= 15 {
            let slot = replication.read_slot(&name).await.unwrap().unwrap();
            assert_eq!(slot.kind, "physical");
            assert_eq!(slot.keeps.unwrap().1, 1);
            assert_eq!(replication.read_slot("nobody_has_this").await.unwrap(), None);
        }
        let kinds =
            format!("select temporary from pg_replication_slots where slot_name = '{name}'");
        assert_eq!(one(database, &kinds), "t");
    });
}

#[test]
fn a_slot_is_changed_where_the_server_can() {
    with_notes(async |database| {
        let mut replication = connect(&database.url()).await;
        let name = slot_name();
        replication.create_slot(&NewSlot::logical(&name).temporary()).await.unwrap();
        let changed = replication.alter_slot(&name, &SlotChange::new().two_phase(true)).await;
        if database.version() >= 18 {
            changed.unwrap();
            let two_phase =
                format!("select two_phase from pg_replication_slots where slot_name = '{name}'");
            assert_eq!(one(database, &two_phase), "t");
        } else {
            // 17 knows the command without this option, older servers none of it.
            let code = if database.version() >= 17 { "XX000" } else { "42601" };
            assert_eq!(changed.unwrap_err().sqlstate().unwrap().as_str(), code);
        }
        let slot = NewSlot::logical(&slot_name());
        let made = replication.create_slot(&slot).await.unwrap();
        let changed = replication.alter_slot(&made.name, &SlotChange::new().failover(true)).await;
        if database.version() >= 17 {
            changed.unwrap();
            let failover = format!(
                "select failover from pg_replication_slots where slot_name = '{}'",
                made.name
            );
            assert_eq!(one(database, &failover), "t");
        } else {
            assert_eq!(changed.unwrap_err().sqlstate().unwrap().as_str(), "42601");
        }
        replication.drop_slot(&made.name, true).await.unwrap();
        assert_eq!(replication.show("wal_level").await.unwrap(), "logical");
    });
}

#[test]
fn a_slots_snapshot_shows_the_tables_as_they_are_where_the_stream_begins() {
    with_notes(async |database| {
        database.run("insert into notes values (1, 'before')").unwrap();
        let mut replication = connect(&database.url()).await;
        let slot = NewSlot::logical(&slot_name()).temporary().with_snapshot(Snapshot::Export);
        let made = replication.create_slot(&slot).await.unwrap();
        database.run("insert into notes values (2, 'after')").unwrap();

        let config = Config::parse(&database.url()).unwrap();
        let mut reader = Connection::connect(&config).await.unwrap();
        let snapshot = made.snapshot.unwrap();
        reader.simple("begin isolation level repeatable read").await.unwrap();
        reader.simple(&format!("set transaction snapshot '{snapshot}'")).await.unwrap();
        let rows: Vec<(i64,)> = reader.query("select id from notes", ()).await.unwrap();
        assert_eq!(rows, [(1,)]);

        let mut user = connect(&database.url()).await;
        user.simple("begin isolation level repeatable read read only").await.unwrap();
        let slot = NewSlot::logical(&slot_name()).temporary().with_snapshot(Snapshot::Use);
        assert_eq!(user.create_slot(&slot).await.unwrap().snapshot, None);
        database.run("insert into notes values (3, 'later')").unwrap();
        let rows = user.simple("select count(*) from notes").await.unwrap();
        assert_eq!(rows[0].rows, [[Some("2".to_owned())]]);
    });
}

#[test]
fn a_stream_that_can_not_begin_leaves_the_connection_usable() {
    with_notes(async |database| {
        let mut replication = connect(&database.url()).await;
        let options = LogicalOptions::new("there_is_none", ["everything"]);
        for _ in 0..2 {
            let error = replication.start_logical(&options).await.map(drop).unwrap_err();
            assert_eq!(error.sqlstate().unwrap().as_str(), "42704");
            assert!(error.sql().unwrap().starts_with("START_REPLICATION SLOT"));
            replication.identify_system().await.unwrap();
        }
        let odd = LogicalOptions::new(&"x".repeat(64), ["everything"]);
        let error = replication.start_logical(&odd).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        replication.identify_system().await.unwrap();
    });
}
