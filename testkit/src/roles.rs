//! Who may log in to a server of our own.

/// A role that must log in with `md5` over TCP ([`PASSWORD`] is its password).
pub const MD5_USER: &str = "md5_user";
/// A role that must log in with `scram-sha-256` over TCP ([`PASSWORD`] is its password).
pub const SCRAM_USER: &str = "scram_user";
/// A role that must log in with a password in clear over TCP ([`PASSWORD`] is its password).
pub const PASSWORD_USER: &str = "password_user";
/// The password of the three roles above. It has characters that a URL must encode.
pub const PASSWORD: &str = "a passw0rd: 'quoted' @ 100%";

/// A superuser who never needs a password, where the other one does.
pub(crate) const UNGUARDED: &str = "unguarded";

/// The superuser, and a database that is always there.
pub(crate) const SUPERUSER: &str = "postgres";
