//! Rust types for the composites that the database of these tests has.

use stellata_protocol::{
    Array, ArrayElement, Buffer, CompositeReader, CompositeWriter, Decode, Encode, IsNull, Oid,
    PgType, Range, Result, Type,
};

use super::print;

/// `create type pair as (n int4, t text)`
#[derive(Debug)]
pub(super) struct Pair {
    n: Option<i32>,
    t: Option<String>,
}

impl Pair {
    pub(super) fn print(&self) -> String {
        print::composite(&[self.n.map(|n| n.to_string()), self.t.clone()])
    }
}

/// `create type nested as (p pair, a int4[], r int4range, m mood)`
#[derive(Debug)]
pub(super) struct Nested {
    p: Option<Pair>,
    a: Option<Array<Option<i32>>>,
    r: Option<Range<i32>>,
    m: Option<String>,
}

impl Nested {
    pub(super) fn print(&self) -> String {
        print::composite(&[
            self.p.as_ref().map(Pair::print),
            self.a.as_ref().map(|array| print::array(array, ',', i32::to_string)),
            self.r.as_ref().map(Range::to_string),
            self.m.clone(),
        ])
    }
}

impl PgType for Pair {
    const TYPE: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "pair" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }
}

impl ArrayElement for Pair {}

impl<'a> Decode<'a> for Pair {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = CompositeReader::with(oid, raw, 2)?;
        let pair = Self { n: reader.next()?, t: reader.next()? };
        reader.end()?;
        Ok(pair)
    }
}

impl Encode for Pair {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        let mut writer = CompositeWriter::new(2, out)?;
        writer.attribute(&self.n)?;
        writer.attribute(&self.t)?;
        Ok(writer.end())
    }
}

impl PgType for Nested {
    const TYPE: Type = Type { oid: Oid::UNSPECIFIED, array: Oid::UNSPECIFIED, name: "nested" };

    fn accepts(oid: Oid) -> bool {
        oid.is_user_defined()
    }
}

impl<'a> Decode<'a> for Nested {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let mut reader = CompositeReader::with(oid, raw, 4)?;
        let nested =
            Self { p: reader.next()?, a: reader.next()?, r: reader.next()?, m: reader.next()? };
        reader.end()?;
        Ok(nested)
    }
}

impl Encode for Nested {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        let mut writer = CompositeWriter::new(4, out)?;
        writer.attribute(&self.p)?;
        writer.attribute(&self.a)?;
        writer.attribute(&self.r)?;
        writer.attribute(&self.m)?;
        Ok(writer.end())
    }
}
