//! Programs that we run for a while in private folders: as an account that may, and never longer than we live.

pub(crate) mod account;
pub(crate) mod folder;
pub(crate) mod keeper;
