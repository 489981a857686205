//! A piece of a statement while it is being built: tokens and parameters side by side.

use stellata_protocol::{Buffer, Encode, Error, IsNull, Oid, Params, Result};

use crate::expr::token;
use crate::model::path::Path;

/// Tokens (see [`token`]) and the parameters that they speak of, in the same order.
///
/// The tokens of a usual statement and its parameters need no allocation.
#[derive(Clone, Debug, Default)]
pub struct Fragment {
    tokens: Buffer<48>,
    params: Params,
    /// The first value that could not be written. It is reported when the statement is run.
    fault: Option<Error>,
}

impl Fragment {
    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    pub(crate) fn tokens(&self) -> &[u8] {
        self.tokens.as_slice()
    }

    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    pub(crate) fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// The first value that could not be written.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.fault {
            None => Ok(()),
            Some(error) => Err(*error),
        }
    }

    /// Remembers what went wrong, unless something did before.
    pub(crate) fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.fault.get_or_insert(error);
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, token: u8) {
        self.tokens.put_u8(token);
    }

    #[inline]
    pub(crate) fn put_slice(&mut self, tokens: &[u8]) {
        self.tokens.put_slice(tokens);
    }

    /// `token`, a path and a column's index.
    #[inline]
    pub(crate) fn put_column(&mut self, token: u8, path: Path, index: u16) {
        let [a, b, c, d, e, f, g, h] = path.to_bytes();
        let [i, j] = index.to_be_bytes();
        self.put_slice(&[token, a, b, c, d, e, f, g, h, i, j]);
    }

    /// The token of the next parameter, which is of the type `oid`.
    #[inline]
    pub(crate) fn put_param(&mut self, oid: Oid) {
        let [a, b, c, d] = oid.0.to_be_bytes();
        self.put_slice(&[token::PARAM, a, b, c, d]);
    }

    /// A value as a parameter. Returns false, and writes nothing, when the value is NULL.
    #[inline]
    pub(crate) fn value<T: Encode + ?Sized>(&mut self, oid: Oid, value: &T) -> bool {
        if T::NULLABLE {
            let mut probe = Buffer::new();
            if matches!(value.encode(oid, &mut probe), Ok(IsNull::Yes)) {
                return false;
            }
        }
        self.put_param(oid);
        let pushed = self.params.push_as(oid, value);
        self.note(pushed);
        true
    }

    /// Everything of another fragment behind this one.
    #[inline]
    pub(crate) fn append(&mut self, other: &Self) {
        self.tokens.put_slice(other.tokens());
        if !other.params.is_empty() {
            self.params.append(&other.params);
        }
        if self.fault.is_none() {
            self.fault = other.fault;
        }
    }

    /// This fragment and another behind it, without copying where this one is empty.
    #[inline]
    pub(crate) fn take(&mut self, other: Self) {
        if self.is_empty() && self.params.is_empty() && self.fault.is_none() {
            *self = other;
        } else {
            self.append(&other);
        }
    }
}
