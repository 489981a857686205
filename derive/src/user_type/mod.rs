//! The derives of user-defined types: enums, composites, and types of their own name around another.

mod case;

mod options;

mod shared;

mod enumeration;

mod composite;

mod domain;

pub(crate) use composite::expand as composite;
pub(crate) use domain::expand as domain;
pub(crate) use enumeration::expand as enumeration;
