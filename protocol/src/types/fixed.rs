//! Values that always have the same size.

use crate::error::{Error, ErrorKind, Result};

/// All of `raw`, which must have exactly `N` bytes.
///
/// # Errors
/// [`ErrorKind::Truncated`] for fewer bytes, [`ErrorKind::TrailingBytes`] for more.
#[inline]
pub(super) fn fixed<const N: usize>(raw: &[u8]) -> Result<[u8; N]> {
    match <[u8; N]>::try_from(raw) {
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(wrong_size::<N>(raw)),
    }
}

#[cold]
fn wrong_size<const N: usize>(raw: &[u8]) -> Error {
    let at = u32::try_from(raw.len().min(N)).unwrap_or(u32::MAX);
    if raw.len() < N {
        Error::new(ErrorKind::Truncated, "the value has fewer bytes than its type").at(at)
    } else {
        Error::new(ErrorKind::TrailingBytes, "the value has more bytes than its type").at(at)
    }
}
