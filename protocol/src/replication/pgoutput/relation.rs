//! What tables and types look like, told before the first change that needs it, and again after each change of them.

use crate::error::{ErrorKind, Result};
use crate::oid::Oid;
use crate::replication::pgoutput::list::{Item, List, sealed::Sealed};
use crate::replication::xid::Xid;
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// A table: what the changes mean that name its OID, until it is told again.
///
/// Layout: Byte1 `R`, [Int32 xid], Int32 OID, String schema, String name, Int8 replica identity, Int16 number of columns, then
/// each [`RelationColumn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// The table's OID on the sending server.
    pub oid: Oid,
    /// Its schema; empty for `pg_catalog`.
    pub schema: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What is told of old rows.
    pub replica_identity: ReplicaIdentity,
    /// The columns that are published, in the order in which rows have them. Generated columns are left out, unless the
    /// publication says otherwise (version 18).
    pub columns: List<'a, RelationColumn<'a>>,
}

/// What is told of the old row when one is updated or deleted (`ALTER TABLE .. REPLICA IDENTITY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key (`d`).
    Default,
    /// Nothing (`n`): such rows can't be updated or deleted in a publication.
    Nothing,
    /// All columns (`f`).
    Full,
    /// The columns of an index (`i`).
    Index,
}

/// A column of a [`Relation`].
///
/// Layout: Int8 flags (1: part of the key), String name, Int32 type OID, Int32 type modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationColumn<'a> {
    /// Whether it belongs to the replica identity.
    pub is_key: bool,
    /// Its name.
    pub name: &'a str,
    /// Its type; one that is not built in has been told by a [`TypeName`].
    pub type_oid: Oid,
    /// The type modifier, such as the length of a `varchar(n)`; -1 for none.
    pub type_modifier: i32,
}

/// A type that is not built in.
///
/// Layout: Byte1 `Y`, [Int32 xid], Int32 OID, String schema, String name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeName<'a> {
    /// The (sub)transaction, inside a streamed part; else `None`.
    pub xid: Option<Xid>,
    /// The OID on the sending server. For a domain the name is that of its base type.
    pub oid: Oid,
    /// Its schema; empty for `pg_catalog`.
    pub schema: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Relation<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, xid: Option<Xid>) -> Result<Self> {
        let oid = Oid(reader.u32()?);
        let schema = reader.cstr()?;
        let name = reader.cstr()?;
        let replica_identity = ReplicaIdentity::read(reader)?;
        let count = reader.count16()?;
        let columns = List::read(reader, count)?;
        Ok(Self { xid, oid, schema, name, replica_identity, columns })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u32(self.oid.0);
        out.put_cstr(self.schema)?;
        out.put_cstr(self.name)?;
        out.put_u8(self.replica_identity.code());
        out.put_count16(self.columns.len(), "more than 65535 columns")?;
        self.columns.write(out);
        Ok(())
    }
}

impl ReplicaIdentity {
    /// The letter of the catalogue (`pg_class.relreplident`).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Default => b'd',
            Self::Nothing => b'n',
            Self::Full => b'f',
            Self::Index => b'i',
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let at = *reader;
        match reader.u8()? {
            b'd' => Ok(Self::Default),
            b'n' => Ok(Self::Nothing),
            b'f' => Ok(Self::Full),
            b'i' => Ok(Self::Index),
            _ => Err(at.error(ErrorKind::InvalidValue, "an unknown replica identity")),
        }
    }
}

impl Sealed for RelationColumn<'_> {}

impl<'a> Item<'a> for RelationColumn<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let at = *reader;
        let is_key = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(at.error(ErrorKind::InvalidValue, "a column has an unknown flag")),
        };
        Ok(Self {
            is_key,
            name: reader.cstr()?,
            type_oid: Oid(reader.u32()?),
            type_modifier: reader.i32()?,
        })
    }

    fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u8(self.is_key.into());
        out.put_cstr(self.name)?;
        out.put_u32(self.type_oid.0);
        out.put_i32(self.type_modifier);
        Ok(())
    }
}

impl<'a> TypeName<'a> {
    pub(super) fn read(reader: &mut Reader<'a>, xid: Option<Xid>) -> Result<Self> {
        Ok(Self { xid, oid: Oid(reader.u32()?), schema: reader.cstr()?, name: reader.cstr()? })
    }

    pub(super) fn write(&self, out: &mut Buffer) -> Result<()> {
        out.put_u32(self.oid.0);
        out.put_cstr(self.schema)?;
        out.put_cstr(self.name)
    }
}
