//! The whole system against a real server: one module per feature.

mod advisories;
mod configured;
mod connect;
mod dropped;
mod hostile;
mod hosts;
mod listen;
mod login;
mod orm;
mod pool;
mod query;
mod reconnect;
mod recorded;
mod replication;
mod statements;
mod tls;
mod types;
