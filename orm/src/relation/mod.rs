//! Relations: the fields that hold related rows, the handles that speak of them in a query, and how rows find the row
//! that they belong to.

pub(crate) mod keys;

pub(crate) mod rows;

pub(crate) mod field;

pub(crate) mod branch;

pub(crate) mod handle;
