//! Makes connections clean again that come back otherwise.

use std::sync::Arc;

use stellata_client::{Connection, TransactionStatus};

use crate::lending::Lent;
use crate::meter::Reason;
use crate::pooled::Pooled;
use crate::shared::{Shared, is_clean};

impl Shared {
    /// Takes a connection back from who had it.
    #[inline]
    pub(crate) fn take_back(self: &Arc<Self>, lent: Lent<Pooled>) {
        if is_clean(&lent.thing.connection) && self.options.after_return.is_none() {
            self.give(lent);
        } else {
            self.clean_then_give(lent);
        }
    }

    /// Cleans a connection at once, by a task of the pool, so that what it holds is free soon.
    #[cold]
    fn clean_then_give(self: &Arc<Self>, lent: Lent<Pooled>) {
        if lent.thing.connection.is_closed() {
            return self.retire(lent, Reason::Broken);
        }
        // Outside a runtime nothing can be awaited: the connection is closed, and the server cleans up.
        let Some(runtime) = self.runtime() else { return self.retire(lent, Reason::Unclean) };
        let cleaning = Cleaning { shared: Arc::clone(self), lent: Some(lent) };
        runtime.spawn(cleaning.run());
    }

    /// Brings a connection back to the state in which it was opened. Returns false when that fails.
    async fn clean(&self, connection: &mut Connection) -> bool {
        let limit = self.options.clean_timeout;
        let cleaned = tokio::time::timeout(limit, async {
            connection.drain(limit).await?;
            if connection.status() != TransactionStatus::Idle {
                connection.simple("rollback").await?;
            }
            if connection.is_changed() {
                connection.simple("discard all").await?;
                connection.mark_clean();
                self.prepare(connection).await?;
            }
            if let Some(hook) = &self.options.after_return {
                hook.run(connection).await?;
            }
            Ok::<_, stellata_client::Error>(())
        })
        .await;
        matches!(cleaned, Ok(Ok(()))) && is_clean(connection)
    }
}

/// A connection that is being cleaned. Dropped, it is closed, also when its task is dropped with its runtime.
struct Cleaning {
    shared: Arc<Shared>,
    lent: Option<Lent<Pooled>>,
}

impl Cleaning {
    async fn run(mut self) {
        if let Some(lent) = &mut self.lent
            && self.shared.clean(&mut lent.thing.connection).await
            && let Some(lent) = self.lent.take()
        {
            self.shared.give(lent);
        }
    }
}

impl Drop for Cleaning {
    fn drop(&mut self) {
        if let Some(lent) = self.lent.take() {
            self.shared.retire(lent, Reason::Unclean);
        }
    }
}
