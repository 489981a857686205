//! The parameters of a statement, kept in the form in which Bind carries them.

use smallvec::SmallVec;

use crate::error::Result;
use crate::oid::Oid;
use crate::types::{Encode, IsNull, array};
use crate::wire::buffer::Buffer;

/// Parameters in wire form: each with its length in front, NULL as length -1.
///
/// The parameters of a usual statement (eight of them, 96 bytes) need no allocation.
///
/// ```
/// use stellata_protocol::{Oid, Params};
/// let mut params = Params::new();
/// params.push(&7_i32).unwrap();
/// params.push(&None::<i32>).unwrap();
/// assert_eq!(params.types(), [Oid::INT4, Oid::INT4]);
/// assert_eq!(params.as_slice(), [0, 0, 0, 4, 0, 0, 0, 7, 255, 255, 255, 255]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    types: SmallVec<[Oid; 8]>,
    values: Buffer,
}

impl Params {
    /// No parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many parameters there are. More than 65 535 are refused when the statement is sent.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The type of each parameter; [`Oid::UNSPECIFIED`] where the server is to infer it.
    #[inline]
    #[must_use]
    pub fn types(&self) -> &[Oid] {
        &self.types
    }

    /// All values in wire form.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.values.as_slice()
    }

    /// Adds a value with the type of its Rust type.
    ///
    /// # Errors
    /// What [`Encode::encode`] returns; nothing is added then.
    pub fn push<T: Encode + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.push_as(T::TYPE.oid, value)
    }

    /// Adds a value in the binary form of `oid`.
    ///
    /// # Errors
    /// What [`Encode::encode`] returns; nothing is added then.
    #[inline]
    pub fn push_as<T: Encode + ?Sized>(&mut self, oid: Oid, value: &T) -> Result<()> {
        let _: IsNull = value.encode_sized(oid, &mut self.values)?;
        self.types.push(oid);
        Ok(())
    }

    /// Adds a value whose bytes `write` makes.
    ///
    /// # Errors
    /// What `write` returns; nothing is added then.
    pub fn push_with(
        &mut self,
        oid: Oid,
        write: impl FnOnce(&mut Buffer) -> Result<()>,
    ) -> Result<()> {
        self.values.value(write)?;
        self.types.push(oid);
        Ok(())
    }

    /// Adds a value that `write` appends with its length in front: one value, no more.
    ///
    /// # Errors
    /// What `write` returns; nothing is added then.
    #[inline]
    pub fn push_sized(
        &mut self,
        oid: Oid,
        write: impl FnOnce(&mut Buffer) -> Result<()>,
    ) -> Result<()> {
        let start = self.values.len();
        if let Err(error) = write(&mut self.values) {
            self.values.truncate(start);
            return Err(error);
        }
        self.types.push(oid);
        Ok(())
    }

    /// Adds an array of one dimension as a parameter of the type `array`: the one over the type `element`, or
    /// [`Oid::UNSPECIFIED`] where the server is to infer it.
    ///
    /// ```
    /// use stellata_protocol::{Oid, Params};
    /// let people = [("Ada", Some(36)), ("Grace", None)];
    /// let mut params = Params::new();
    /// params.push_array(Oid::TEXT_ARRAY, Oid::TEXT, people.iter().map(|person| person.0))?;
    /// params.push_array(Oid::INT4_ARRAY, Oid::INT4, people.iter().map(|person| person.1))?;
    /// assert_eq!(params.types(), [Oid::TEXT_ARRAY, Oid::INT4_ARRAY]);
    /// # Ok::<(), stellata_protocol::Error>(())
    /// ```
    ///
    /// # Errors
    /// What [`Encode::encode`] returns for the elements; nothing is added then.
    pub fn push_array<T: Encode>(
        &mut self,
        array: Oid,
        element: Oid,
        values: impl IntoIterator<Item = T>,
    ) -> Result<()> {
        self.push_with(array, |out| array::put(element, values.into_iter(), out))
    }

    /// Adds a NULL of the type `oid`.
    pub fn push_null(&mut self, oid: Oid) {
        self.values.null();
        self.types.push(oid);
    }

    /// Adds all parameters of another list behind these.
    pub fn append(&mut self, other: &Self) {
        self.types.extend_from_slice(&other.types);
        self.values.put_slice(other.values.as_slice());
    }
}

/// Something that makes the parameters of a raw statement: a tuple of values, a slice of `&dyn` [`Parameter`], or
/// [`Params`] themselves.
pub trait IntoParams {
    /// Appends the parameters in order.
    ///
    /// # Errors
    /// What [`Encode::encode`] returns for the first value that can't be written.
    fn append_to(self, params: &mut Params) -> Result<()>;
}

/// One parameter whose Rust type is not known until run time. Every [`Encode`] type is one.
pub trait Parameter {
    /// Appends the value with the type of its Rust type.
    ///
    /// # Errors
    /// What [`Encode::encode`] returns.
    fn append_to(&self, params: &mut Params) -> Result<()>;
}

impl<T: Encode> Parameter for T {
    fn append_to(&self, params: &mut Params) -> Result<()> {
        params.push(self)
    }
}

impl IntoParams for &Params {
    fn append_to(self, params: &mut Params) -> Result<()> {
        params.append(self);
        Ok(())
    }
}

impl IntoParams for Params {
    /// Where there are none yet, these become them: nothing is copied.
    fn append_to(self, params: &mut Params) -> Result<()> {
        if params.is_empty() {
            *params = self;
        } else {
            params.append(&self);
        }
        Ok(())
    }
}

impl IntoParams for &[&dyn Parameter] {
    fn append_to(self, params: &mut Params) -> Result<()> {
        self.iter().try_for_each(|value| value.append_to(params))
    }
}

impl IntoParams for () {
    fn append_to(self, _: &mut Params) -> Result<()> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))+) => {$(
        impl<$($name: Encode),+> IntoParams for ($($name,)+) {
            #[allow(non_snake_case, reason = "a tuple's fields are named by their type parameters")]
            fn append_to(self, params: &mut Params) -> Result<()> {
                let ($($name,)+) = self;
                $(params.push(&$name)?;)+
                Ok(())
            }
        }
    )+};
}

tuples! {
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
    (A B C D E F G H I J K L M) (A B C D E F G H I J K L M N) (A B C D E F G H I J K L M N O)
    (A B C D E F G H I J K L M N O P)
}
