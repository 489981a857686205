//! What comes unasked.

use super::{Case, Subject};

pub(super) const SUBJECT: Subject = Subject { cases: CASES, always: &[] };

const CASES: &[Case] = &[
    Case {
        items: &["client Connection::idle"],
        work: |c| {
            Box::pin(async {
                c.simple("do $$ begin raise notice 'here'; end $$").await?;
                c.idle().await?;
                while c.pop_notice().is_some() || c.pop_notification().is_some() {}
                Ok(())
            })
        },
    },
    Case {
        items: &["client Connection::notify", "client Connection::notification"],
        work: |c| {
            Box::pin(async {
                // What was sent for a use before this one and not taken is not in the way.
                while c.pop_notification().is_some() {}
                c.simple("listen dropped").await?;
                c.notify("dropped", "there").await?;
                while &*c.notification().await?.payload != "there" {}
                c.simple("unlisten *").await.map(drop)
            })
        },
    },
];
