//! The errors of one derive, collected so that a user sees all of them at once.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Errors found so far.
#[derive(Default)]
pub(crate) struct Problems {
    first: Option<syn::Error>,
}

impl Problems {
    /// Adds an error that marks `tokens`.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error at `span`.
    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds an error that a parser returned.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.first {
            Some(first) => first.combine(error),
            None => self.first = Some(error),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The errors as tokens that make the compiler report them; nothing where there are none.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.first.map(|error| error.to_compile_error()).unwrap_or_default()
    }
}
