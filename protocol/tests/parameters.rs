//! Parameters, one by one and from whatever they are made of.

use stellata_protocol::{
    Buffer, Encode, Error, ErrorKind, IntoParams, IsNull, Oid, Parameter, Params, PgType, Result,
    Type,
};

fn of(values: impl IntoParams) -> Params {
    let mut params = Params::new();
    values.append_to(&mut params).unwrap();
    params
}

fn types(params: &Params) -> Vec<Oid> {
    params.types().to_vec()
}

#[test]
fn tuples_slices_and_lists_of_parameters_make_the_same() {
    let tuple = of((7_i32, "seven", None::<bool>));
    assert_eq!(types(&tuple), [Oid::INT4, Oid::TEXT, Oid::BOOL]);
    assert_eq!(tuple.as_slice(), b"\0\0\0\x04\0\0\0\x07\0\0\0\x05seven\xff\xff\xff\xff");
    let slice: [&dyn Parameter; 3] = [&7_i32, &"seven", &None::<bool>];
    assert_eq!(of(&slice[..]), tuple);
    assert_eq!(of(&tuple), tuple);
    assert_eq!(of(tuple.clone()), tuple);
    assert!(of(()).is_empty());
    let sixteen = of((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
    assert_eq!((sixteen.len(), sixteen.as_slice().len()), (16, 16 * 8));
}

#[test]
fn parameters_are_added_behind_those_that_are_there() {
    let mut params = of((1_i32,));
    of((2_i64, "x")).append_to(&mut params).unwrap();
    of(("y",)).append_to(&mut params).unwrap();
    params.append(&of((true,)));
    params.push_null(Oid::UUID);
    assert_eq!(types(&params), [Oid::INT4, Oid::INT8, Oid::TEXT, Oid::TEXT, Oid::BOOL, Oid::UUID]);
    assert!(params.as_slice().ends_with(b"\0\0\0\x01\x01\xff\xff\xff\xff"));
}

#[test]
fn what_can_t_be_written_leaves_nothing() {
    let mut params = of((1_i32,));
    let before = params.clone();
    let nul = ErrorKind::InvalidText;
    let kind = |result: Result<()>| result.map_err(|error| error.kind());
    assert_eq!(kind(params.push("a\0b")), Err(nul));
    assert_eq!(kind(params.push_as(Oid::VARCHAR, "a\0b")), Err(nul));
    let sized = |out: &mut Buffer| {
        out.put_i32(7);
        Err(Error::new(ErrorKind::OutOfRange, "no"))
    };
    assert_eq!(kind(params.push_sized(Oid::INT4, sized)), Err(ErrorKind::OutOfRange));
    assert_eq!(kind(params.push_with(Oid::INT4, sized)), Err(ErrorKind::OutOfRange));
    assert_eq!(params, before);
    params.push_sized(Oid::INT2, |out| out.put_value(&[0, 9])).unwrap();
    assert_eq!(params.as_slice()[8..], [0, 0, 0, 2, 0, 9]);
}

/// A type of a user's own, which writes its value and leaves the length to the crate.
struct Even(i32);

impl PgType for Even {
    const TYPE: Type = Type { oid: Oid::INT4, array: Oid::INT4_ARRAY, name: "int4" };
}

impl Encode for Even {
    fn encode(&self, _: Oid, out: &mut Buffer) -> Result<IsNull> {
        if self.0 % 2 == 1 {
            out.put_u8(9);
            return Ok(IsNull::Yes);
        }
        out.put_i32(self.0);
        Ok(IsNull::No)
    }
}

#[test]
fn a_type_of_a_user_s_own_may_be_null() {
    let params = of((Even(2), Even(3), Some(Even(4))));
    assert_eq!(params.as_slice(), b"\0\0\0\x04\0\0\0\x02\xff\xff\xff\xff\0\0\0\x04\0\0\0\x04");
    let mut out = Buffer::new();
    assert_eq!(None::<i32>.encode(Oid::INT4, &mut out), Ok(IsNull::Yes));
    assert!(out.is_empty());
}
