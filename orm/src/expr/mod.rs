//! Conditions, computed values, sort keys and assignments: what a query is made of.

pub(crate) mod token;
pub(crate) mod fragment;
pub(crate) mod scope;
pub(crate) mod computed;
pub(crate) mod operand;
pub(crate) mod arithmetic;
pub(crate) mod condition;
pub(crate) mod order;
pub(crate) mod assignment;
pub(crate) mod comparison;
