//! What is called when the server says something that nobody has asked for.

use std::fmt;
use std::sync::Arc;

use stellata_protocol::message::ServerError;

type OnNotice = dyn Fn(&ServerError) + Send + Sync;
type OnParameter = dyn Fn(&str, &str) + Send + Sync;

/// The functions that a configuration names, for all its connections.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) notice: Option<Arc<OnNotice>>,
    pub(crate) parameter: Option<Arc<OnParameter>>,
}

impl Hooks {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.notice.is_none() && self.parameter.is_none()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("notice", &self.notice.is_some())
            .field("parameter", &self.parameter.is_some())
            .finish()
    }
}
