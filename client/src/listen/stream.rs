//! What a listener has to tell, as a `futures` stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::Result;
use crate::listen::{ListenEvent, Listener};

/// The events as [`Listener::next`] gives them. It never ends: behind an error the next item tries again, after a pause.
impl Stream for Listener {
    type Item = Result<ListenEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<ListenEvent>>> {
        Self::poll_next(self.get_mut(), cx).map(Some)
    }
}
