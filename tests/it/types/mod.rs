//! Values of PostgreSQL's types, both ways through a real server.

mod oracle;
