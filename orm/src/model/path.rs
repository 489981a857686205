//! How a handle remembers the way from the root of a query to its table.

/// The longest way by to-one relations inside one scope.
pub(crate) const MAX_HOPS: usize = 5;

/// The relations between the root of a query (or of an `any(..)` inside it) and the table that a handle speaks of.
///
/// It is `Copy` and eight bytes, because a copy stands in every column handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    /// Which scope the way begins in: 0 is the query itself, each nested `any(..)` or `count(..)` counts one up.
    scope: u8,
    /// What is special about the root: see [`Root`].
    root: u8,
    len: u8,
    /// Indices into the relations of each table on the way.
    hops: [u8; MAX_HOPS],
}

/// What the root of a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// The row of the table itself.
    Row,
    /// The row that an upsert could not insert (`excluded`).
    Excluded,
}

impl Path {
    /// The root of the query itself.
    pub(crate) const ROOT: Self = Self { scope: 0, root: 0, len: 0, hops: [0; MAX_HOPS] };

    /// The row that an upsert could not insert.
    pub(crate) const EXCLUDED: Self = Self { scope: 0, root: 1, len: 0, hops: [0; MAX_HOPS] };

    /// The root of a nested scope.
    pub(crate) const fn scope(scope: u8) -> Self {
        Self { scope, root: 0, len: 0, hops: [0; MAX_HOPS] }
    }

    /// The path one relation further. A way that is too long is remembered as such ([`Path::is_too_long`]) and reported
    /// when the query is rendered.
    #[must_use]
    pub(crate) const fn hop(mut self, relation: u8) -> Self {
        if (self.len as usize) < MAX_HOPS {
            self.hops[self.len as usize] = relation;
        }
        self.len = self.len.saturating_add(1);
        self
    }

    pub(crate) const fn is_too_long(self) -> bool {
        self.len as usize > MAX_HOPS
    }

    pub(crate) const fn scope_number(self) -> u8 {
        self.scope
    }

    pub(crate) const fn root(self) -> Root {
        if self.root == 0 { Root::Row } else { Root::Excluded }
    }

    /// The relations on the way, as indices into the relations of each table passed.
    pub(crate) fn hops(&self) -> &[u8] {
        &self.hops[..(self.len as usize).min(MAX_HOPS)]
    }

    pub(crate) const fn to_bytes(self) -> [u8; 8] {
        let [a, b, c, d, e] = self.hops;
        [self.scope, self.root, self.len, a, b, c, d, e]
    }

    pub(crate) const fn from_bytes([scope, root, len, a, b, c, d, e]: [u8; 8]) -> Self {
        Self { scope, root, len, hops: [a, b, c, d, e] }
    }
}
