//! Advisory locks.

use std::time::Duration;

use stellata_client::{ErrorKind, LockKey, LockMode};

use super::{Case, Subject};

pub(super) const SUBJECT: Subject = Subject {
    cases: CASES,
    // Whatever was got by a future that was dropped has been given back.
    always: &["select not exists (select from pg_catalog.pg_locks \
               where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid())"],
};

const CASES: &[Case] = &[
    Case {
        items: &["client Connection::try_lock", "client AdvisoryLock::release"],
        work: |c| {
            Box::pin(async {
                let mut lock = c.try_lock(5, LockMode::Exclusive).await?.unwrap();
                lock.execute("select 1", ()).await?;
                lock.release().await
            })
        },
    },
    Case {
        items: &["client Connection::lock"],
        work: |c| {
            Box::pin(async {
                let limit = Duration::from_secs(50);
                let mut outer = c.lock((5, 6), LockMode::Shared, limit).await?;
                let inner = outer.lock(LockKey::named("inner"), LockMode::Exclusive, limit).await?;
                drop(inner);
                drop(outer);
                c.execute("select 1", ()).await.map(drop)
            })
        },
    },
    Case {
        items: &["client Connection::transaction_lock", "client Connection::try_transaction_lock"],
        work: |c| {
            Box::pin(async {
                c.execute("begin", ()).await?;
                let limit = Duration::from_secs(50);
                c.transaction_lock(7, LockMode::Exclusive, limit).await?;
                assert!(c.try_transaction_lock((7, 7), LockMode::Shared).await?);
                c.execute("rollback", ()).await?;
                // Outside of one it is an error, and nothing is locked.
                let outside = c.try_transaction_lock(8, LockMode::Exclusive).await;
                assert_eq!(outside.unwrap_err().kind(), ErrorKind::Usage);
                Ok(())
            })
        },
    },
];
