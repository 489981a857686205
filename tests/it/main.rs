//! The whole system against a real server: one module per feature.

mod connect;
mod dropped;
mod hostile;
mod login;
mod orm;
mod pool;
mod query;
mod recorded;
mod statements;
mod types;
