//! The prepared statements of one connection: a bounded cache, least recently used first out.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use stellata_protocol::message::BindHead;
use stellata_protocol::{FieldDescription, Format, Oid};

use crate::statement::StatementKey;
use crate::statement::layout::Layout;

/// The place of a statement in the cache. It stays valid until the statement is evicted, which never happens while it is
/// in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotId(usize);

/// How far a statement is known to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prepared {
    /// It is to be prepared.
    No,
    /// Parse was sent in the call of this number, and not answered yet.
    Asked(u64),
    /// ParseComplete came.
    Yes,
    /// It came, but there is more to it: some columns are to be asked for as text, or the name is doubted.
    Mixed,
}

/// What is known of a statement.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The hashes of the keys by which it is found.
    hashes: SmallVec<[u64; 2]>,
    types: Box<[Oid]>,
    /// The name at the server.
    pub(crate) name: Box<str>,
    /// What the server has by this name may be gone, and may have come from others: it means the same in any case.
    pub(crate) doubted: bool,
    pub(crate) head: BindHead,
    pub(crate) sql: Arc<str>,
    pub(crate) prepared: Prepared,
    /// The columns that the statement returns; `None` until the server has described them.
    pub(crate) fields: Option<Box<[FieldDescription]>>,
    /// Their types, in the form that rows are read with.
    pub(crate) column_types: Box<[Oid]>,
    /// The formats of the columns, where not all can be sent in binary.
    pub(crate) formats: Option<Box<[Format]>>,
    /// The row type that the columns were checked against last, as the address of its check.
    pub(crate) checked: usize,
    /// The columns as answers know them that are read apart from the connection; made when the first of them is asked for.
    pub(crate) layout: Option<Arc<Layout>>,
    /// The call that used it last.
    used: u64,
}

impl Slot {
    /// Whether the server has it under its name.
    pub(crate) fn is_prepared(&self) -> bool {
        matches!(self.prepared, Prepared::Yes | Prepared::Mixed)
    }

    /// Notes what the server says of the columns.
    pub(crate) fn describe(&mut self, mut fields: Vec<FieldDescription>) {
        match self.formats.as_deref() {
            Some(formats) if formats.len() == fields.len() => come_as_text(&mut fields, formats),
            _ => self.formats = None,
        }
        if self.fields.as_deref() == Some(&*fields) {
            return;
        }
        self.column_types = fields.iter().map(|field| field.type_oid).collect();
        self.fields = Some(fields.into());
        self.checked = 0;
        self.layout = None;
    }

    /// Has the columns come as text that the server can't send in binary. Which they are, the server does not say: those of
    /// built-in types are known; where there is none, those of the database's own types.
    pub(crate) fn ask_for_text(&mut self) {
        let Some(mut fields) = self.fields.take() else { return };
        let is_known = fields.iter().any(|field| is_unsendable(field.type_oid));
        let formats: Box<[Format]> = fields
            .iter()
            .map(|field| match field.type_oid {
                oid if is_known && is_unsendable(oid) => Format::Text,
                oid if !is_known && oid.is_user_defined() => Format::Text,
                _ => Format::Binary,
            })
            .collect();
        come_as_text(&mut fields, &formats);
        self.column_types = fields.iter().map(|field| field.type_oid).collect();
        self.fields = Some(fields);
        self.formats = Some(formats);
        self.checked = 0;
        self.layout = None;
        if self.prepared == Prepared::Yes {
            self.prepared = Prepared::Mixed;
        }
    }
}

/// Built-in types without a function to send them.
fn is_unsendable(oid: Oid) -> bool {
    matches!(oid, Oid::ACLITEM | Oid::ACLITEM_ARRAY | Oid::GTSVECTOR | Oid::GTSVECTOR_ARRAY)
}

/// What comes as text is read as text.
fn come_as_text(fields: &mut [FieldDescription], formats: &[Format]) {
    for (field, format) in fields.iter_mut().zip(formats) {
        if *format == Format::Text {
            field.type_oid = Oid::TEXT;
            field.format = Format::Text;
        }
    }
}

/// A key by which a statement is found. Several shapes may come to one text; they share its statement.
#[derive(Clone, Debug)]
struct Entry {
    key: Key,
    index: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Sql,
    Shape(usize, Arc<[u8]>),
}

/// How many keys may share a statement.
const MOST_KEYS: usize = 16;

/// How far a statement's name can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// It was said that the session is served by one process all the time.
    Sure,
    /// Nothing speaks against it.
    Believed,
    /// The session may be served by one process now and by another later.
    Doubted,
    /// Statements have none: what is prepared is not kept at the server.
    None,
}

/// A bounded set of statements, found by key and parameter types.
#[derive(Debug)]
pub(crate) struct Cache {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    by_hash: HashMap<u64, Vec<Entry>, BuildHasherDefault<Identity>>,
    capacity: usize,
    /// The statement that was found last, and the key by which: it is often the next one too.
    last: Option<Entry>,
    names: Names,
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_hash: HashMap::default(),
            capacity: capacity.max(1),
            last: None,
            names: Names::Believed,
        }
    }

    /// Finds a statement by all of its key: two statements never share a place.
    #[inline(always)]
    pub(crate) fn find(
        &mut self,
        key: StatementKey<'_>,
        types: &[Oid],
        call: u64,
    ) -> Option<SlotId> {
        if let Some(entry) = &self.last
            && let Some(Some(slot)) = self.slots.get_mut(entry.index)
            && entry.key.is(key, &slot.sql)
            && *slot.types == *types
        {
            slot.used = call;
            return Some(SlotId(entry.index));
        }
        self.find_other(key, types, call)
    }

    #[inline(never)]
    fn find_other(&mut self, key: StatementKey<'_>, types: &[Oid], call: u64) -> Option<SlotId> {
        for entry in self.by_hash.get(&hash(key, types))? {
            if let Some(Some(slot)) = self.slots.get_mut(entry.index)
                && entry.key.is(key, &slot.sql)
                && *slot.types == *types
            {
                slot.used = call;
                self.last = Some(entry.clone());
                return Some(SlotId(entry.index));
            }
        }
        None
    }

    /// Adds a statement. Where its text is there under another key, that statement is found by both from now on. Where the
    /// cache is full, those go that were not used for the longest time: their names are added to `forgotten`, so that the
    /// server can be told. Statements of the call `call` stay.
    ///
    /// # Errors
    /// When the statement's name can't be sent.
    pub(crate) fn insert(
        &mut self,
        key: StatementKey<'_>,
        types: &[Oid],
        sql: &str,
        call: u64,
        forgotten: &mut Vec<Box<str>>,
    ) -> stellata_protocol::Result<SlotId> {
        let name = if self.is_unnamed() { Box::default() } else { name(sql, types) };
        let same = self.slots.iter().position(|slot| {
            slot.as_ref().is_some_and(|slot| {
                *slot.name == *name && *slot.sql == *sql && *slot.types == *types
            })
        });
        let index = match same {
            Some(index) => index,
            None => {
                self.shrink_to(self.capacity - 1, call, forgotten);
                self.place(types, name, sql)?
            }
        };
        let hash = hash(key, types);
        if let Some(Some(slot)) = self.slots.get_mut(index) {
            slot.used = call;
            if slot.hashes.len() >= MOST_KEYS {
                let oldest = slot.hashes.remove(0);
                forget(&mut self.by_hash, oldest, index);
            }
            slot.hashes.push(hash);
        }
        let key = match key {
            StatementKey::Sql(_) => Key::Sql,
            StatementKey::Shape { table, shape } => Key::Shape(table, shape.into()),
        };
        self.by_hash.entry(hash).or_default().push(Entry { key, index });
        Ok(SlotId(index))
    }

    /// Puts a new statement into a free place.
    fn place(
        &mut self,
        types: &[Oid],
        name: Box<str>,
        sql: &str,
    ) -> stellata_protocol::Result<usize> {
        let slot = Slot {
            hashes: SmallVec::new(),
            types: types.into(),
            head: BindHead::new(&name)?,
            doubted: self.names == Names::Doubted,
            name,
            sql: sql.into(),
            prepared: Prepared::No,
            fields: None,
            column_types: Box::default(),
            formats: None,
            checked: 0,
            layout: None,
            used: 0,
        };
        match self.free.pop() {
            Some(index) => {
                self.slots[index] = Some(slot);
                Ok(index)
            }
            None => {
                self.slots.push(Some(slot));
                Ok(self.slots.len() - 1)
            }
        }
    }

    /// Has statements go until there are no more than there may be. Returns false where too many stay, because the call `call`
    /// uses them.
    pub(crate) fn shrink(&mut self, call: u64, forgotten: &mut Vec<Box<str>>) -> bool {
        self.shrink_to(self.capacity, call, forgotten);
        self.len() <= self.capacity
    }

    fn shrink_to(&mut self, most: usize, call: u64, forgotten: &mut Vec<Box<str>>) {
        while self.len() > most
            && let Some(evicted) = self.evict(call)
        {
            if evicted.is_prepared() {
                forgotten.push(evicted.name);
            }
        }
    }

    fn evict(&mut self, call: u64) -> Option<Slot> {
        let (index, _) = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((index, slot.as_ref()?)))
            .filter(|(_, slot)| slot.used != call && !matches!(slot.prepared, Prepared::Asked(_)))
            .min_by_key(|(_, slot)| slot.used)?;
        self.remove(SlotId(index))
    }

    /// Forgets a statement.
    pub(crate) fn remove(&mut self, id: SlotId) -> Option<Slot> {
        let slot = self.slots.get_mut(id.0)?.take()?;
        // The place may be another statement's soon.
        self.last = None;
        for &hash in &slot.hashes {
            forget(&mut self.by_hash, hash, id.0);
        }
        self.free.push(id.0);
        Some(slot)
    }

    /// Forgets all statements that are prepared: the server has. What is in flight stays.
    pub(crate) fn clear_prepared(&mut self) {
        for index in 0..self.slots.len() {
            if self.slots[index].as_ref().is_some_and(Slot::is_prepared) {
                self.remove(SlotId(index));
            }
        }
    }

    /// Lets all statements be without names from now on.
    ///
    /// # Errors
    /// None; the empty name can be sent.
    pub(crate) fn make_unnamed(&mut self) -> stellata_protocol::Result<()> {
        self.names = Names::None;
        for slot in self.slots.iter_mut().flatten() {
            if !matches!(slot.prepared, Prepared::Asked(_)) {
                slot.prepared = Prepared::No;
                slot.name = Box::default();
                slot.head = BindHead::new("")?;
            }
        }
        Ok(())
    }

    /// Has all names doubted: the session may be served by one process now and by another later.
    pub(crate) fn doubt_names(&mut self) {
        self.names = Names::Doubted;
        for slot in self.slots.iter_mut().flatten() {
            slot.doubted = true;
            if slot.prepared == Prepared::Yes {
                slot.prepared = Prepared::Mixed;
            }
        }
    }

    /// Has no name doubted, whatever happens.
    pub(crate) fn trust_names(&mut self) {
        self.names = Names::Sure;
    }

    pub(crate) fn is_unnamed(&self) -> bool {
        self.names == Names::None
    }

    /// Whether no name is ever doubted.
    pub(crate) fn is_trusted(&self) -> bool {
        self.names == Names::Sure
    }

    /// Whether names are doubted already.
    pub(crate) fn is_doubted(&self) -> bool {
        self.names == Names::Doubted
    }

    #[inline]
    pub(crate) fn get(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(id.0)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.slots.get_mut(id.0)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// Forgets that a statement is found by a hash.
fn forget(
    by_hash: &mut HashMap<u64, Vec<Entry>, BuildHasherDefault<Identity>>,
    hash: u64,
    index: usize,
) {
    if let Some(entries) = by_hash.get_mut(&hash) {
        entries.retain(|entry| entry.index != index);
        if entries.is_empty() {
            by_hash.remove(&hash);
        }
    }
}

impl Key {
    #[inline]
    fn is(&self, key: StatementKey<'_>, text: &str) -> bool {
        match (self, key) {
            (Self::Sql, StatementKey::Sql(sql)) => *text == *sql,
            (Self::Shape(table, shape), StatementKey::Shape { table: other, shape: bytes }) => {
                *table == other && **shape == *bytes
            }
            _ => false,
        }
    }
}

/// A statement's name at the server: a hash of all that gives it its meaning, so that one name never means two things on
/// a backend that several clients share.
fn name(sql: &str, types: &[Oid]) -> Box<str> {
    let mut hasher = Sha256::new();
    for oid in types {
        hasher.update(oid.0.to_be_bytes());
    }
    // Behind the types, so that no text can look like types and text.
    hasher.update(types.len().to_be_bytes());
    hasher.update(sql);
    let mut name = String::with_capacity(34);
    name.push_str("s_");
    for byte in hasher.finalize().iter().take(16) {
        for digit in [byte >> 4, byte & 15] {
            name.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    name.into()
}

/// A quick hash: what it maps together is told apart by comparing in full.
#[inline]
fn hash(key: StatementKey<'_>, types: &[Oid]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(K);
    let (mut hash, bytes) = match key {
        StatementKey::Sql(sql) => (1, sql.as_bytes()),
        StatementKey::Shape { table, shape } => (mix(2, table as u64), shape),
    };
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    let mut last = [0; 8];
    let rest = chunks.remainder();
    last[..rest.len()].copy_from_slice(rest);
    hash = mix(hash, u64::from_le_bytes(last));
    hash = mix(hash, bytes.len() as u64);
    for oid in types {
        hash = mix(hash, u64::from(oid.0));
    }
    hash ^ (hash >> 32)
}

/// Takes a hash that is one already.
#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> StatementKey<'_> {
        StatementKey::Sql(text)
    }

    fn insert(
        cache: &mut Cache,
        key: StatementKey<'_>,
        types: &[Oid],
        text: &str,
        call: u64,
    ) -> SlotId {
        cache.insert(key, types, text, call, &mut Vec::new()).unwrap()
    }

    #[test]
    fn the_same_text_with_other_types_is_another_statement() {
        let mut cache = Cache::new(8);
        let id = insert(&mut cache, sql("select $1"), &[Oid::INT4], "select $1", 1);
        assert_eq!(cache.find(sql("select $1"), &[Oid::INT4], 2), Some(id));
        assert_eq!(cache.find(sql("select $1"), &[Oid::INT8], 2), None);
        assert_ne!(name("select $1", &[Oid::INT4]), name("select $1", &[Oid::INT8]));
    }

    #[test]
    fn shapes_of_different_tables_are_different_statements() {
        let mut cache = Cache::new(8);
        let key = |table| StatementKey::Shape { table, shape: b"shape" };
        let first = insert(&mut cache, key(1), &[], "select 1", 1);
        let second = insert(&mut cache, key(2), &[], "select 2", 1);
        assert_eq!(cache.find(key(1), &[], 2), Some(first));
        assert_eq!(cache.find(key(2), &[], 2), Some(second));
    }

    #[test]
    fn shapes_of_one_text_share_its_statement() {
        let mut cache = Cache::new(8);
        let key = |shape| StatementKey::Shape { table: 1, shape };
        let first = insert(&mut cache, key(b"a"), &[], "select 1", 1);
        let second = insert(&mut cache, key(b"b"), &[], "select 1", 1);
        let third = insert(&mut cache, sql("select 1"), &[], "select 1", 1);
        assert_eq!((first, first), (second, third));
        assert_eq!(cache.len(), 1);
        for n in 0..100_u8 {
            let shape = [n, n];
            let key = StatementKey::Shape { table: 1, shape: &shape };
            insert(&mut cache, key, &[], "select 1", 1);
            assert_eq!(cache.find(key, &[], 2), Some(first));
        }
        assert!(cache.by_hash.len() <= MOST_KEYS);
        cache.remove(first);
        assert!(cache.by_hash.is_empty());
        // The place is another's now, and is not taken for the one that was there.
        let other = StatementKey::Shape { table: 2, shape: b"c" };
        assert_eq!(insert(&mut cache, other, &[], "select 2", 1), first);
        assert_eq!(cache.find(key(b"b"), &[], 2), None);
        assert_eq!(cache.find(other, &[], 2), Some(first));
        cache.remove(first);
        assert_eq!(cache.find(key(b"b"), &[], 2), None);
    }

    #[test]
    fn the_least_recently_used_goes_but_never_one_in_flight() {
        let mut cache = Cache::new(2);
        let a = insert(&mut cache, sql("a"), &[], "a", 1);
        let b = insert(&mut cache, sql("b"), &[], "b", 2);
        assert_eq!(cache.find(sql("a"), &[], 3), Some(a));
        let mut forgotten = Vec::new();
        cache.get_mut(b).unwrap().prepared = Prepared::Yes;
        cache.insert(sql("c"), &[], "c", 4, &mut forgotten).unwrap();
        assert_eq!(forgotten, [name("b", &[])]);
        assert!(cache.get(b).is_some_and(|slot| &*slot.sql == "c"), "the place is used again");

        for id in [a, b] {
            cache.get_mut(id).unwrap().prepared = Prepared::Asked(4);
        }
        insert(&mut cache, sql("d"), &[], "d", 5);
        assert_eq!(cache.len(), 3);
    }

    #[test]
    fn what_one_call_has_added_beyond_the_bound_goes_with_the_next() {
        let mut cache = Cache::new(2);
        for text in ["a", "b", "c", "d", "e"] {
            let id = insert(&mut cache, sql(text), &[], text, 1);
            cache.get_mut(id).unwrap().prepared = Prepared::Yes;
        }
        let mut forgotten = Vec::new();
        assert!(!cache.shrink(1, &mut forgotten));
        assert_eq!((cache.len(), forgotten.len()), (5, 0));
        assert!(cache.find(sql("c"), &[], 2).is_some());
        assert!(cache.shrink(2, &mut forgotten));
        assert_eq!((cache.len(), forgotten.len()), (2, 3));
        assert!(cache.find(sql("c"), &[], 2).is_some(), "it is in use");

        for text in ["f", "g", "h"] {
            cache.insert(sql(text), &[], text, 3, &mut forgotten).unwrap();
        }
        cache.insert(sql("i"), &[], "i", 4, &mut forgotten).unwrap();
        assert_eq!(cache.len(), 2, "all that is too much goes at once");
    }
}
