//! What is known of the types that each database numbers by itself, shared by all connections to it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stellata_protocol::{Catalog, Oid, UserType};

/// The databases that the connections of a configuration, and of its clones, have met.
#[derive(Clone, Default)]
pub(crate) struct TypeCache(Arc<Mutex<HashMap<String, Arc<DatabaseTypes>>>>);

impl TypeCache {
    /// What is known of one database, told apart by where it is.
    pub(crate) fn of(&self, database: String) -> Arc<DatabaseTypes> {
        let mut databases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(databases.entry(database).or_default())
    }
}

impl fmt::Debug for TypeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypeCache")
    }
}

/// The types of one database that have been asked for.
#[derive(Debug, Default)]
pub(crate) struct DatabaseTypes(RwLock<Arc<Catalog>>);

impl DatabaseTypes {
    /// What is known now.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds types; what was known under their numbers is replaced.
    pub(crate) fn add(&self, types: Vec<UserType>) {
        self.change(|catalog| types.into_iter().for_each(|found| catalog.insert(found)));
    }

    /// Forgets types and what they are made of.
    pub(crate) fn remove(&self, oids: &[Oid]) {
        self.change(|catalog| oids.iter().for_each(|oid| catalog.remove(*oid)));
    }

    fn change(&self, change: impl FnOnce(&mut Catalog)) {
        let mut catalog = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut catalog));
    }
}
