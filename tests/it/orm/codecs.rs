//! Types of the program's own: any serde type as bytes or as JSON, and a codec written by hand.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stellata::prelude::*;
use stellata::types::{
    Buffer, Decode, Encode, Error, ErrorKind as WireKind, IsNull, Oid, PgType, Result, Type,
};
use stellata_testkit::with_database;

/// A value that is kept in a `bytea`, in a form of serde's.
#[derive(Debug, Clone, PartialEq)]
struct Packed<T>(T);

impl<T> PgType for Packed<T> {
    const TYPE: Type = <[u8]>::TYPE;
}

impl<T: Serialize> Encode for Packed<T> {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        let bytes = serde_json::to_vec(&self.0)
            .map_err(|_| Error::new(WireKind::InvalidValue, "the value can't be packed"))?;
        out.put_slice(&bytes);
        Ok(IsNull::No)
    }
}

impl<'a, T: DeserializeOwned> Decode<'a> for Packed<T> {
    fn decode(_: Oid, raw: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(raw)
            .map(Self)
            .map_err(|_| Error::new(WireKind::InvalidValue, "the bytes are no packed value"))
    }
}

/// Hundredths of a degree, kept as a `float8` of degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Degrees(i32);

impl PgType for Degrees {
    const TYPE: Type = f64::TYPE;
}

impl Encode for Degrees {
    fn encode(&self, oid: Oid, out: &mut Buffer) -> Result<IsNull> {
        (f64::from(self.0) / 100.0).encode(oid, out)
    }
}

impl<'a> Decode<'a> for Degrees {
    fn decode(oid: Oid, raw: &'a [u8]) -> Result<Self> {
        let hundredths = (f64::decode(oid, raw)? * 100.0).round();
        if hundredths.abs() > f64::from(i32::MAX) || hundredths.is_nan() {
            return Err(Error::new(WireKind::OutOfRange, "too hot"));
        }
        Ok(Self(hundredths as i32))
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
enum Shape {
    Dot,
    Circle { radius: f64 },
    Path(Vec<(i32, i32)>),
}

#[derive(Model, Debug, Clone)]
struct Sketch {
    #[model(key, identity)]
    id: Id<Sketch>,
    packed: Packed<Shape>,
    maybe: Option<Packed<Shape>>,
    plain: Json<Shape>,
    warmth: Degrees,
}

fn shapes() -> [Shape; 3] {
    [Shape::Dot, Shape::Circle { radius: 1.5 }, Shape::Path(vec![(1, -1), (i32::MAX, 0)])]
}

#[test]
fn any_serde_type_is_kept_as_bytes_and_as_json() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Sketch>()).await.unwrap();
        for shape in shapes() {
            let new = new!(Sketch {
                packed: Packed(shape.clone()),
                maybe: Some(Packed(shape.clone())),
                plain: Json(shape.clone()),
                warmth: Degrees(0)
            });
            let made = new.insert(&db).await.unwrap();
            let found = Sketch::get(made.id, &db).await.unwrap();
            assert_eq!((&found.packed.0, &found.plain.0), (&shape, &shape));
            assert_eq!(found.maybe, Some(Packed(shape.clone())));
            let by_value = Sketch::query().filter(|s| s.packed.eq(Packed(shape.clone())));
            assert_eq!(by_value.one(&db).await.unwrap().id, made.id);
        }
        let none = new!(Sketch {
            packed: Packed(Shape::Dot),
            plain: Json(Shape::Dot),
            warmth: Degrees(1)
        });
        assert_eq!(none.insert(&db).await.unwrap().maybe, None);
        let told = database
            .run("select pg_typeof(packed)::text, convert_from(packed, 'UTF8') = plain::text from sketch where id = 1")
            .unwrap();
        assert_eq!(told, [[Some("bytea".to_owned()), Some("t".to_owned())]]);
    });
}

#[test]
fn a_codec_of_the_programs_own_is_used_in_rows_filters_and_errors() {
    with_database(async |database| {
        let db = Db::connect(&database.url()).await.unwrap();
        db.create_all(&Schema::new().model::<Sketch>()).await.unwrap();
        let rows = (-2..3).map(|warmth| {
            new!(Sketch {
                packed: Packed(Shape::Dot),
                plain: Json(Shape::Dot),
                warmth: Degrees(warmth * 50)
            })
        });
        assert_eq!(Sketch::insert_many(rows).exec(&db).await.unwrap(), 5);
        let warm =
            Sketch::query().filter(|s| s.warmth.gt(Degrees(0))).order_by(|s| s.warmth.desc());
        let warm: Vec<Degrees> = warm.all(&db).await.unwrap().iter().map(|s| s.warmth).collect();
        assert_eq!(warm, [Degrees(100), Degrees(50)]);
        assert_eq!(
            database.run("select sum(warmth)::text from sketch").unwrap(),
            [[Some("0".to_owned())]]
        );
        // What the Rust type can't hold, and what is no such value, are errors that name the column.
        database.run("update sketch set warmth = 'Infinity' where id = 1").unwrap();
        let error = Sketch::get(1, &db).await.unwrap_err();
        assert_eq!(error.kind(), stellata::ErrorKind::Decode);
        assert!(error.to_string().contains("warmth"), "{error}");
        database.run("update sketch set packed = 'x' where id = 2").unwrap();
        let error = Sketch::get(2, &db).await.unwrap_err();
        assert!(error.to_string().contains("packed"), "{error}");
    });
}
