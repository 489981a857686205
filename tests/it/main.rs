//! The whole system against a real server: one module per feature.

mod advisories;
mod batch;
mod cancel;
mod commit;
mod configured;
mod connect;
mod dropped;
mod hostile;
mod hosts;
mod login;
mod orm;
mod pool;
mod pooler;
mod query;
mod recorded;
mod statements;
mod stream;
mod surface;
mod tls;
mod told;
mod types;
