//! What the methods of a handle struct return: a relation, to ask about, to go on from, or to load along.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use stellata_protocol::{Error, ErrorKind, Oid};

use crate::expr::computed::Expr;
use crate::expr::condition::{Cond, IntoCond};
use crate::expr::fragment::Fragment;
use crate::expr::order::IntoOrder;
use crate::expr::{scope, token};
use crate::model::Model;
use crate::model::path::Path;
use crate::model::table::Table;
use crate::relation::branch::{Branch, Branches, Include, IntoIncludes};
use crate::relation::rows::Children;

/// A to-one relation of a query rooted in the model `R`.
///
/// It stands for the related row's own handles: `track.album().title`. A row that has no such related row is kept; its
/// related columns are NULL.
pub struct One<R, M: Model> {
    fields: M::Fields<R>,
    table: &'static Table,
    path: Path,
    relation: u8,
    /// The first column of the related row's key, or simply the first.
    present: (u16, Oid),
}

impl<R, M: Model> One<R, M> {
    /// The relation at `relation` in `table`, for the row at the end of `path`. Called by derived code.
    #[doc(hidden)]
    #[must_use]
    pub fn new(path: Path, table: &'static Table, relation: u8) -> Self {
        let index = M::TABLE.key.first().copied().unwrap_or(0);
        let oid = M::TABLE.columns.get(usize::from(index)).map_or(Oid::UNSPECIFIED, |key| key.oid);
        Self { fields: M::fields(path.hop(relation)), table, path, relation, present: (index, oid) }
    }

    fn presence(self, op: u8) -> Cond<R> {
        let mut fragment = Fragment::default();
        fragment.put_column(token::COLUMN, self.path.hop(self.relation), self.present.0);
        fragment.put(op);
        Cond::new(fragment)
    }

    /// There is no related row.
    pub fn is_none(self) -> Cond<R> {
        self.presence(token::IS_NULL)
    }

    /// There is a related row.
    pub fn is_some(self) -> Cond<R> {
        self.presence(token::IS_NOT_NULL)
    }

    /// Loads relations of the related row along with it.
    pub fn include<I: IntoIncludes<R>>(
        self,
        include: impl FnOnce(M::Fields<R>) -> I,
    ) -> Include<R> {
        let mut branch = self.into_branch();
        let mut children = Branches::default();
        scope::enter(branch.scope, || {
            include(M::fields(Path::scope(branch.scope))).add_to(&mut children);
        });
        branch.children = children.0;
        Include { branch, marker: PhantomData }
    }

    fn into_branch(self) -> Branch {
        Branch {
            table: self.table,
            path: self.path,
            relation: self.relation,
            scope: scope::next(),
            stream: Fragment::default(),
            limit: None,
            children: Vec::new(),
            rows: Children::<M>::boxed,
            expect: M::expect,
        }
    }
}

impl<R, M: Model> Deref for One<R, M> {
    type Target = M::Fields<R>;

    fn deref(&self) -> &M::Fields<R> {
        &self.fields
    }
}

impl<R, M: Model> Clone for One<R, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, M: Model> Copy for One<R, M> {}

impl<R, M: Model> fmt::Debug for One<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("One").field("path", &self.path).field("relation", &self.relation).finish()
    }
}

impl<R, M: Model> IntoIncludes<R> for One<R, M> {
    fn add_to(self, branches: &mut Branches) {
        branches.0.push(self.into_branch());
    }
}

/// A to-many relation of a query rooted in the model `R`: to ask about its rows in a condition, to count them, or to load
/// them along.
#[must_use]
pub struct Many<R, M> {
    table: &'static Table,
    path: Path,
    relation: u8,
    scope: u8,
    /// The conditions so far as one; empty for none.
    filter: Fragment,
    order: Fragment,
    limit: Option<u64>,
    children: Branches,
    marker: PhantomData<fn() -> (R, M)>,
}

impl<R, M: Model> Many<R, M> {
    /// The relation at `relation` in `table`, for the row at the end of `path`. Called by derived code.
    #[doc(hidden)]
    pub fn new(path: Path, table: &'static Table, relation: u8) -> Self {
        Self {
            table,
            path,
            relation,
            scope: scope::next(),
            filter: Fragment::default(),
            order: Fragment::default(),
            limit: None,
            children: Branches::default(),
            marker: PhantomData,
        }
    }

    /// Runs a closure on the handles of the related rows.
    fn within<T>(&mut self, run: impl FnOnce(M::Fields<R>) -> T) -> T {
        let next = scope::next();
        if next != self.scope {
            // The handle was made in one closure and is used in another.
            if !self.filter.is_empty() || !self.order.is_empty() || !self.children.0.is_empty() {
                self.filter.note(Err(Error::new(
                    ErrorKind::Usage,
                    "a relation was filtered in one closure and used in another",
                )));
            }
            self.scope = next;
        }
        scope::enter(self.scope, || run(M::fields(Path::scope(self.scope))))
    }

    fn and(&mut self, cond: Cond<R>) {
        if self.filter.is_empty() {
            self.filter.take(cond.into_fragment());
        } else {
            self.filter.append(&cond.into_fragment());
            self.filter.put(token::AND);
        }
    }

    /// Only the rows that meet the condition. Several filters must all be met.
    pub fn filter<C: IntoCond<R>>(mut self, filter: impl FnOnce(M::Fields<R>) -> C) -> Self {
        let cond = self.within(filter).into();
        self.and(cond);
        self
    }

    /// Puts the rows in order; a further key where the relation was sorted before.
    pub fn order_by<O: IntoOrder<R>>(mut self, order: impl FnOnce(M::Fields<R>) -> O) -> Self {
        let order = self.within(order);
        order.write(&mut self.order);
        self
    }

    /// At most so many rows for each row that has the relation. Only for loading along.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Loads relations of the related rows along with them.
    pub fn include<I: IntoIncludes<R>>(mut self, include: impl FnOnce(M::Fields<R>) -> I) -> Self {
        let mut children = std::mem::take(&mut self.children);
        self.within(|fields| include(fields).add_to(&mut children));
        self.children = children;
        self
    }

    /// There is a related row that meets the condition.
    pub fn any<C: IntoCond<R>>(mut self, cond: impl FnOnce(M::Fields<R>) -> C) -> Cond<R> {
        let cond = self.within(cond).into();
        self.and(cond);
        Cond::new(self.close(token::ANY))
    }

    /// There is no related row that meets the condition.
    pub fn none<C: IntoCond<R>>(mut self, cond: impl FnOnce(M::Fields<R>) -> C) -> Cond<R> {
        let cond = self.within(cond).into();
        self.and(cond);
        Cond::new(self.close(token::NONE))
    }

    /// There is no related row for which the condition is not true; so it holds where there is no related row.
    pub fn all<C: IntoCond<R>>(mut self, cond: impl FnOnce(M::Fields<R>) -> C) -> Cond<R> {
        let mut cond = self.within(cond).into().into_fragment();
        cond.put(token::IS_NOT_TRUE);
        self.and(Cond::new(cond));
        Cond::new(self.close(token::NONE))
    }

    /// How many related rows there are.
    pub fn count(mut self) -> Expr<R, i64> {
        self.within(|_| ());
        if self.filter.is_empty() {
            self.filter.put(token::TRUE);
        }
        Expr::new(self.close(token::COUNT), Oid::INT8)
    }

    fn close(mut self, op: u8) -> Fragment {
        if self.limit.is_some() || !self.order.is_empty() || !self.children.0.is_empty() {
            self.filter.note(Err(Error::new(
                ErrorKind::Usage,
                "order_by, limit and include of a relation are for loading it, not for asking about its rows",
            )));
        }
        let [a, b, c, d, e, f, g, h] = self.path.to_bytes();
        self.filter.put_slice(&[op, a, b, c, d, e, f, g, h, self.relation, self.scope]);
        self.filter
    }
}

impl<R, M: Model> IntoIncludes<R> for Many<R, M> {
    fn add_to(self, branches: &mut Branches) {
        let mut stream = self.filter;
        if !stream.is_empty() {
            stream.put(token::FILTER);
        }
        stream.take(self.order);
        branches.0.push(Branch {
            table: self.table,
            path: self.path,
            relation: self.relation,
            scope: self.scope,
            stream,
            limit: self.limit,
            children: self.children.0,
            rows: Children::<M>::boxed,
            expect: M::expect,
        });
    }
}

impl<R, M> Clone for Many<R, M> {
    fn clone(&self) -> Self {
        Self {
            table: self.table,
            path: self.path,
            relation: self.relation,
            scope: self.scope,
            filter: self.filter.clone(),
            order: self.order.clone(),
            limit: self.limit,
            children: self.children.clone(),
            marker: PhantomData,
        }
    }
}

impl<R, M> fmt::Debug for Many<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Many").field("path", &self.path).field("relation", &self.relation).finish()
    }
}
