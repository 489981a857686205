//! Composite values, attribute by attribute: what `#[derive(PgComposite)]` reads and writes with.
//!
//! The binary form (`record_send` of the server's source): how many attributes there are, then for each its type and its
//! value with the length in front.

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::array::nested_value;
use crate::types::nesting::Nesting;
use crate::types::room::room;
use crate::types::{Decode, Encode, IsNull, nested_type};
use crate::wire::buffer::Buffer;
use crate::wire::reader::Reader;

/// Reads the attributes of a composite value or of a record, from left to right.
#[derive(Debug)]
pub struct CompositeReader<'a> {
    outer: Oid,
    reader: Reader<'a>,
    left: usize,
    _level: Nesting,
}

impl<'a> CompositeReader<'a> {
    /// Starts at the first attribute of a value of the type `oid`.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] when values lie in each other more than 48 levels deep, [`ErrorKind::Truncated`] when more
    /// attributes are declared than there are bytes for.
    pub fn new(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        /// Bytes of an attribute's type and length.
        const LEAST: usize = 8;
        let level = Nesting::enter()?;
        let mut reader = Reader::new(raw);
        let Ok(left) = usize::try_from(reader.i32()?) else {
            return Err(reader.error(ErrorKind::InvalidLength, "a composite has a negative count"));
        };
        if left > reader.len() / LEAST {
            return Err(reader.error(
                ErrorKind::Truncated,
                "a composite has fewer bytes than its attributes need",
            ));
        }
        Ok(Self { outer: oid, reader, left, _level: level })
    }

    /// Starts at the first attribute of a value that has exactly `attributes` of them.
    ///
    /// # Errors
    /// As [`CompositeReader::new`], and [`ErrorKind::ColumnCount`] for another number.
    pub fn with(oid: Oid, raw: &'a [u8], attributes: usize) -> Result<Self> {
        let reader = Self::new(oid, raw)?;
        if reader.left == attributes {
            Ok(reader)
        } else {
            Err(Error::new(
                ErrorKind::ColumnCount,
                "the composite has another number of attributes than the Rust type",
            ))
        }
    }

    /// How many attributes are not yet read.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.left
    }

    /// For how many of the attributes that are not yet read place is made beforehand.
    pub(crate) fn room<T>(&self) -> usize {
        room::<T>(self.left, &self.reader)
    }

    fn take_type(&mut self) -> Result<Oid> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(Error::new(
                ErrorKind::ColumnCount,
                "the composite has no further attribute",
            ));
        };
        self.left = left;
        Ok(Oid(self.reader.u32()?))
    }

    /// Reads the next attribute.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for one that is no `T`, [`ErrorKind::UnexpectedNull`] for a NULL where `T` is no
    /// [`Option`], and what [`Decode::decode`] returns. The error's offset is counted from the start of the composite.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "each call may have another type")]
    pub fn next<T: Decode<'a>>(&mut self) -> Result<T> {
        let at = self.reader.offset();
        let oid = self.take_type()?;
        let oid = nested_type::<T>(self.outer, oid).map_err(|error| error.shifted(at))?;
        nested_value(&mut self.reader, oid)
    }

    /// The type and the bytes of the next attribute, `None` for NULL.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnCount`] when there is none, or an error of its length.
    pub fn next_raw(&mut self) -> Result<(Oid, Option<&'a [u8]>)> {
        let oid = self.take_type()?;
        Ok((oid, self.reader.value()?))
    }

    /// Checks that the value ends here.
    ///
    /// # Errors
    /// [`ErrorKind::TrailingBytes`] when it does not, [`ErrorKind::ColumnCount`] when attributes are left.
    pub fn end(self) -> Result<()> {
        if self.left > 0 {
            return Err(Error::new(ErrorKind::ColumnCount, "the composite has further attributes"));
        }
        self.reader.end()
    }
}

/// Writes the attributes of a composite value, from left to right.
///
/// A type that the database numbers by itself is written as the number 0: the server (14 and later, `record_recv` of its
/// source) compares the numbers of attributes only where both are built-in types.
#[derive(Debug)]
pub struct CompositeWriter<'b> {
    out: &'b mut Buffer,
    _level: Nesting,
}

impl<'b> CompositeWriter<'b> {
    /// Begins a value of so many attributes; as many calls of [`CompositeWriter::attribute`] follow.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] when values lie in each other more than 48 levels deep: nobody could read them back.
    pub fn new(attributes: usize, out: &'b mut Buffer) -> Result<Self> {
        let level = Nesting::enter()?;
        out.put_len32(attributes)?;
        Ok(Self { out, _level: level })
    }

    /// Appends an attribute in the type of its Rust type.
    ///
    /// # Errors
    /// What [`Encode::encode`] returns.
    pub fn attribute<T: Encode + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.attribute_as(T::TYPE.oid, value)
    }

    /// Appends an attribute in the binary form of `oid`.
    ///
    /// # Errors
    /// What [`Encode::encode`] returns.
    pub fn attribute_as<T: Encode + ?Sized>(&mut self, oid: Oid, value: &T) -> Result<()> {
        self.out.put_u32(oid.0);
        let _: IsNull = value.encode_sized(oid, self.out)?;
        Ok(())
    }

    /// Ends the value.
    pub fn end(self) -> IsNull {
        IsNull::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::array::ArrayElement;
    use crate::types::catalog::{Attribute, Catalog, TypeKind, Types, UserType};
    use crate::types::proof::{decode, encode, hex};
    use crate::types::{Hstore, PgType, Range, Type};

    /// `create type node as (name text, children node[])`, which the server itself refuses; a hostile one may not.
    #[derive(Debug, PartialEq)]
    struct Node {
        name: Option<String>,
        children: Vec<Node>,
    }

    impl PgType for Node {
        const TYPE: Type =
            Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "\"app\".\"node\"" };

        fn accepts(oid: Oid) -> bool {
            oid.is_user_defined()
        }

        fn fits(oid: Oid, types: &mut Types<'_>) -> Result<()> {
            types.composite::<Self>(
                oid,
                &[("name", Option::<String>::fits), ("children", Vec::<Self>::fits)],
            )
        }
    }

    impl ArrayElement for Node {}

    impl Encode for Node {
        fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
            let mut writer = CompositeWriter::new(2, out)?;
            writer.attribute(&self.name)?;
            writer.attribute(&self.children)?;
            Ok(writer.end())
        }
    }

    impl<'a> Decode<'a> for Node {
        fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
            let mut reader = CompositeReader::with(oid, raw, 2)?;
            let (name, children) = (reader.next()?, reader.next()?);
            reader.end()?;
            Ok(Self { name, children })
        }
    }

    const NODE: Oid = Oid(20_000);
    const NODES: Oid = Oid(20_001);

    fn user_type(oid: Oid, name: &str, kind: TypeKind) -> UserType {
        UserType { oid, schema: "app".into(), name: name.into(), kind }
    }

    fn composite(attributes: &[(&str, Oid)]) -> TypeKind {
        TypeKind::Composite {
            attributes: attributes
                .iter()
                .map(|(name, oid)| Attribute { name: (*name).into(), oid: *oid })
                .collect(),
        }
    }

    fn catalog(attributes: &[(&str, Oid)]) -> Catalog {
        let mut catalog = Catalog::new();
        catalog.insert(user_type(NODE, "node", composite(attributes)));
        catalog.insert(user_type(NODES, "_node", TypeKind::Array { element: NODE }));
        catalog
    }

    fn reason<T: PgType>(catalog: &Catalog, oid: Oid) -> (Result<(), ErrorKind>, String) {
        let mut types = Types::new(catalog);
        let fits = T::fits(oid, &mut types).map_err(|error| error.kind());
        (fits, types.explanation().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_type_that_refers_to_itself_is_held_against_the_catalogue_once() {
        let catalog = catalog(&[("name", Oid::TEXT), ("children", NODES)]);
        assert_eq!(reason::<Node>(&catalog, NODE), (Ok(()), String::new()));
        assert_eq!(reason::<Vec<Node>>(&catalog, NODES), (Ok(()), String::new()));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let wrong = |attributes: &[(&str, Oid)]| {
            let (fits, reason) = reason::<Node>(&catalog(attributes), NODE);
            assert_eq!(fits, Err(ErrorKind::WrongType));
            reason
        };
        assert_eq!(wrong(&[("name", Oid::TEXT)]), "`node` has no attribute `children`");
        assert_eq!(
            wrong(&[("name", Oid::TEXT), ("children", NODES), ("age", Oid::INT4)]),
            "`node` has the attribute `age`, and the Rust type has no field for it"
        );
        assert_eq!(
            wrong(&[("children", NODES), ("name", Oid::TEXT)]),
            "`node` has `children` where the Rust type has `name`: the order differs"
        );
        assert_eq!(
            wrong(&[("name", Oid::INT4), ("children", NODES)]),
            "the attribute `name` of `node` has another type"
        );
        let mut catalog = Catalog::new();
        catalog.insert(user_type(NODE, "knot", composite(&[])));
        assert_eq!(
            reason::<Node>(&catalog, NODE).1,
            "it is a composite type `app.knot`, and the Rust type stands for `\"app\".\"node\"`"
        );
        catalog.insert(user_type(NODE, "node", TypeKind::Enum { labels: Box::default() }));
        assert_eq!(
            reason::<Node>(&catalog, NODE).1,
            "it is an enum, and the Rust type stands for a composite type"
        );
        assert_eq!(reason::<Node>(&catalog, Oid(20_009)).0, Err(ErrorKind::UnknownType));
    }

    #[test]
    fn circles_of_domains_and_arrays_end() {
        let mut catalog = Catalog::new();
        catalog.insert(user_type(NODE, "a", TypeKind::Domain { base: NODES }));
        catalog.insert(user_type(NODES, "b", TypeKind::Domain { base: NODE }));
        catalog.insert(user_type(Oid(20_002), "c", TypeKind::Array { element: Oid(20_002) }));
        for oid in [NODE, NODES, Oid(20_002)] {
            let _ = reason::<i32>(&catalog, oid);
            let _ = reason::<String>(&catalog, oid);
            let _ = reason::<Vec<String>>(&catalog, oid);
            let _ = reason::<Vec<Node>>(&catalog, oid);
            let _ = reason::<Range<i32>>(&catalog, oid);
            let _ = reason::<Hstore>(&catalog, oid);
            let _ = reason::<(i32, (String, Vec<i32>))>(&catalog, oid);
        }
    }

    #[test]
    fn a_chain_of_domains_without_end_ends() {
        let mut catalog = Catalog::new();
        for n in 20_000..30_000 {
            let base = Oid(n + 1);
            catalog.insert(user_type(Oid(n), "d", TypeKind::Domain { base }));
        }
        let walk = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            assert_eq!(reason::<i32>(&catalog, NODE).0, Err(ErrorKind::TooLarge));
            assert_eq!(reason::<(String, Node)>(&catalog, NODE).0, Err(ErrorKind::TooLarge));
            catalog.remove(NODE);
            assert!(catalog.is_empty());
        });
        walk.unwrap().join().unwrap();
    }

    /// A node of nodes, as the server sends it, or as it is written: with numbers of this database, or without.
    fn tower(levels: usize, node: Oid, nodes: Oid) -> Vec<u8> {
        let head = |array: usize| {
            [&hex("00000002 00000019 ffffffff"), &nodes.0.to_be_bytes()[..], &length(array)]
                .concat()
        };
        let bottom = [&hex("00000000 00000000"), &node.0.to_be_bytes()[..]].concat();
        let mut value = [head(bottom.len()), bottom].concat();
        for _ in 1..levels {
            let one = [
                &hex("00000001 00000000"),
                &node.0.to_be_bytes()[..],
                &hex("00000001 00000001"),
                &length(value.len()),
                &value,
            ]
            .concat();
            value = [head(one.len()), one].concat();
        }
        value
    }

    fn length(bytes: usize) -> [u8; 4] {
        u32::try_from(bytes).unwrap().to_be_bytes()
    }

    #[test]
    fn towers_of_composites_fit_a_small_stack_or_are_refused() {
        let read = |levels| {
            decode::<Node>(NODE, &tower(levels, NODE, NODES)).map_err(|error| error.kind())
        };
        let deep = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            let five = read(5).unwrap();
            assert_eq!(five.children[0].children[0].children[0].children[0].children, []);
            let written = tower(5, Oid::UNSPECIFIED, Oid::UNSPECIFIED);
            assert_eq!(encode(NODE, &five), Ok(written));
            assert!(read(24).is_ok());
            for levels in [25, 100, 10_000] {
                assert_eq!(read(levels), Err(ErrorKind::TooLarge), "{levels}");
            }
            // Where it was refused, nothing is left behind.
            assert!(read(24).is_ok());
            let mut tall = Node { name: None, children: Vec::new() };
            for _ in 0..60 {
                tall = Node { name: None, children: vec![tall] };
            }
            let refused = encode(NODE, &tall).map_err(|error| error.kind());
            assert_eq!(refused, Err(ErrorKind::TooLarge));
        });
        deep.unwrap().join().unwrap();
    }

    #[test]
    fn hostile_counts_are_refused() {
        for (text, kind) in [
            ("", ErrorKind::Truncated),
            ("ffffffff", ErrorKind::InvalidLength),
            ("7fffffff", ErrorKind::Truncated),
            ("00000001 00000019 ffffffff", ErrorKind::ColumnCount),
            ("00000002 00000019 ffffffff 00004e21 ffffffff", ErrorKind::UnexpectedNull),
            ("00000002 00000017 00000004 00000001 00000000 ffffffff", ErrorKind::WrongType),
        ] {
            let found = decode::<Node>(NODE, &hex(text)).map_err(|error| error.kind());
            assert_eq!(found, Err(kind), "{text}");
        }
    }
}
