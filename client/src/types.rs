//! What is known of the types that each database numbers by itself, shared by all connections to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use stellata_protocol::{Catalog, Oid, UserType};

/// The databases that the connections of a configuration, and of its clones, have met.
pub(crate) struct TypeCache<S>(Arc<Mutex<Servers<S>>>);

/// The databases of each server, by name.
type Servers<S> = BTreeMap<S, BTreeMap<String, Arc<DatabaseTypes>>>;

impl<S: Ord> TypeCache<S> {
    /// What is known of a database.
    pub(crate) fn of(&self, server: S, database: &str) -> Arc<DatabaseTypes> {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let databases = servers.entry(server).or_default();
        if let Some(known) = databases.get(database) {
            return Arc::clone(known);
        }
        Arc::clone(databases.entry(database.to_owned()).or_default())
    }
}

impl<S> Clone for TypeCache<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Default for TypeCache<S> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<S> fmt::Debug for TypeCache<S> {
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
