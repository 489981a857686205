//! What a database tells of the types that it numbers by itself, and how a Rust type is held against it.
//!
//! A number above 16 383 means nothing without its database. A [`Catalog`] says what such a type is; [`Types`] walks
//! through it while a Rust type is compared, once per statement.

use core::any::type_name;
use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::oid::Oid;
use crate::types::name::TypeName;
use crate::types::nesting::DEEPEST;
use crate::types::{PgType, Type};

/// A type that a database numbers by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserType {
    /// Its number there.
    pub oid: Oid,
    /// Its schema.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What kind of type it is.
    pub kind: TypeKind,
}

/// The kinds of types (manual: "User-Defined Types", `pg_type.typtype`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeKind {
    /// A type with functions of its own, such as an extension's.
    Base {
        /// Whether its binary form is its text (`citext`).
        is_text: bool,
    },
    /// An enum.
    Enum {
        /// The labels, in their order.
        labels: Box<[Box<str>]>,
    },
    /// A composite type, or the row type of a table.
    Composite {
        /// The attributes, in their order.
        attributes: Box<[Attribute]>,
    },
    /// A domain.
    Domain {
        /// The type that it restricts.
        base: Oid,
    },
    /// An array.
    Array {
        /// The type of its elements.
        element: Oid,
    },
    /// A range.
    Range {
        /// The type of its bounds.
        subtype: Oid,
    },
    /// A multirange.
    Multirange {
        /// The type of its ranges.
        range: Oid,
    },
}

/// An attribute of a composite type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub oid: Oid,
}

/// How many types a catalogue keeps. Beyond, it begins anew.
const MOST_TYPES: usize = 16_384;

/// The types of one database that have been asked for.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    types: HashMap<Oid, Arc<UserType>>,
}

impl Catalog {
    /// No types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The type of a number.
    #[must_use]
    pub fn get(&self, oid: Oid) -> Option<&Arc<UserType>> {
        self.types.get(&oid)
    }

    /// Adds a type, or replaces what was known of it. A catalogue of more than 16 384 types forgets all it knew: it asks
    /// again, and never grows without end.
    pub fn insert(&mut self, user_type: UserType) {
        if self.types.len() >= MOST_TYPES {
            self.types.clear();
        }
        self.types.insert(user_type.oid, Arc::new(user_type));
    }

    /// Forgets a type, and all that it is made of.
    pub fn remove(&mut self, oid: Oid) {
        let mut left = vec![oid];
        while let Some(oid) = left.pop() {
            if let Some(gone) = self.types.remove(&oid) {
                gone.kind.each_part(|part| left.push(part));
            }
        }
    }

    /// How many types are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

impl TypeKind {
    /// Calls `each` for every type that this one is made of.
    fn each_part(&self, mut each: impl FnMut(Oid)) {
        match self {
            Self::Base { .. } | Self::Enum { .. } => {}
            Self::Composite { attributes } => {
                attributes.iter().for_each(|attribute| each(attribute.oid));
            }
            Self::Domain { base: part }
            | Self::Array { element: part }
            | Self::Range { subtype: part }
            | Self::Multirange { range: part } => each(*part),
        }
    }

    fn noun(&self) -> &'static str {
        match self {
            Self::Base { .. } => "a base type",
            Self::Enum { .. } => "an enum",
            Self::Composite { .. } => "a composite type",
            Self::Domain { .. } => "a domain",
            Self::Array { .. } => "an array",
            Self::Range { .. } => "a range",
            Self::Multirange { .. } => "a multirange",
        }
    }
}

/// How a Rust type is held against a type of the catalogue: [`PgType::fits`].
pub type Fits = fn(Oid, &mut Types<'_>) -> Result<()>;

/// A walk through a database's types, while a Rust type is held against them.
///
/// It is what [`PgType::fits`] of a user-defined type asks. The walk ends also where types refer to themselves, and where
/// a catalogue lies.
#[derive(Debug, Default)]
pub struct Types<'c> {
    catalog: Option<&'c Catalog>,
    /// The types that are being compared, with the Rust types they are held against.
    path: Vec<(Oid, &'static str)>,
    explanation: Option<String>,
    unknown: Vec<Oid>,
}

impl<'c> Types<'c> {
    /// A walk through the types of a database.
    #[must_use]
    pub fn new(catalog: &'c Catalog) -> Self {
        Self { catalog: Some(catalog), ..Self::default() }
    }

    /// The type of a number.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for the number of a built-in type, [`ErrorKind::UnknownType`] when the catalogue has not
    /// been asked for it.
    pub fn get(&mut self, oid: Oid) -> Result<&'c UserType> {
        if !oid.is_user_defined() {
            return Err(wrong());
        }
        match self.catalog.and_then(|catalog| catalog.get(oid)) {
            Some(found) => Ok(found),
            None => {
                self.unknown.push(oid);
                Err(Error::new(
                    ErrorKind::UnknownType,
                    "the database's catalogue was not asked for this type",
                ))
            }
        }
    }

    /// A type that does not fit, with the reason in words.
    #[cold]
    pub fn misfit(&mut self, reason: impl Into<String>) -> Error {
        self.explanation.get_or_insert(reason.into());
        wrong()
    }

    /// The reason that was given for a type that does not fit.
    #[must_use]
    pub fn explanation(&self) -> Option<&str> {
        self.explanation.as_deref()
    }

    /// The numbers that were asked for and are not in the catalogue.
    #[must_use]
    pub fn unknown(&self) -> &[Oid] {
        &self.unknown
    }

    /// Holds `T` against the type that the domain `oid` restricts, for types that are no user-defined ones themselves.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] when `oid` is no domain, or `T` does not fit what it restricts.
    pub fn domain<T: PgType + ?Sized>(&mut self, oid: Oid) -> Result<()> {
        let known = self.catalog.and_then(|catalog| catalog.get(oid));
        match known.map(|known| &known.kind) {
            Some(&TypeKind::Domain { base }) => self.nested::<T>(oid, |types| T::fits(base, types)),
            _ => Err(wrong()),
        }
    }

    /// Runs `compare` one level deeper, unless `T` is being held against `oid` already: a type that refers to itself fits
    /// if the rest of it does.
    ///
    /// # Errors
    /// What `compare` returns, and [`ErrorKind::TooLarge`] when types lie in each other deeper than values may.
    pub fn nested<T: ?Sized>(
        &mut self,
        oid: Oid,
        compare: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let place = (oid, type_name::<T>());
        if self.path.contains(&place) {
            return Ok(());
        }
        if self.path.len() >= usize::try_from(DEEPEST).unwrap_or(0) {
            return Err(Error::new(ErrorKind::TooLarge, "types lie in each other too deep"));
        }
        self.path.push(place);
        let compared = compare(self);
        self.path.pop();
        compared
    }

    /// Holds the name that `own` declares against that of a type.
    fn name(&mut self, found: &UserType, own: &Type) -> Result<()> {
        match TypeName::parse(own.name) {
            Some(name) if !name.is_array && name.names(&found.schema, &found.name) => Ok(()),
            _ => Err(self.misfit(format!(
                "it is {} `{}.{}`, and the Rust type stands for `{}`",
                found.kind.noun(),
                found.schema,
                found.name,
                own.name
            ))),
        }
    }

    /// Holds an enum against the type `oid`: it must be an enum of the name of `T`, or a domain over that.
    ///
    /// # Errors
    /// As [`Types::get`]; [`ErrorKind::WrongType`] for another name or kind.
    pub fn enumeration<T: PgType + ?Sized>(&mut self, oid: Oid) -> Result<()> {
        let found = self.get(oid)?;
        match &found.kind {
            TypeKind::Enum { .. } => self.name(found, &T::TYPE),
            TypeKind::Domain { .. } => self.domain::<T>(oid),
            other => Err(self.kind("an enum", other)),
        }
    }

    /// Holds a type of an extension against the type `oid`: it must be a base type of the name of `T`, or a domain over
    /// that.
    ///
    /// # Errors
    /// As [`Types::get`]; [`ErrorKind::WrongType`] for another name or kind.
    pub fn base<T: PgType + ?Sized>(&mut self, oid: Oid) -> Result<()> {
        let found = self.get(oid)?;
        match &found.kind {
            TypeKind::Base { .. } => self.name(found, &T::TYPE),
            TypeKind::Domain { .. } => self.domain::<T>(oid),
            other => Err(self.kind("a base type", other)),
        }
    }

    /// Holds `N`, a type of its own name around `T`, against the type `oid`: a domain of that name over what `T` fits, or
    /// whatever `T` itself fits.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for a domain of another name, or what `T` does not fit.
    pub fn newtype<N: PgType, T: PgType>(&mut self, oid: Oid) -> Result<()> {
        if !oid.is_user_defined() {
            return T::fits(oid, self);
        }
        let found = self.get(oid)?;
        self.nested::<N>(oid, |types| match found.kind {
            // Inside may be a domain too.
            TypeKind::Domain { base } if T::TYPE.oid != Oid::UNSPECIFIED => {
                types.name(found, &N::TYPE)?;
                T::fits(base, types)
            }
            TypeKind::Domain { base } if types.name(found, &N::TYPE).is_ok() => {
                T::fits(base, types)
            }
            _ => T::fits(oid, types),
        })
    }

    /// Holds a struct against the composite type `oid`: name, attributes and their order, and the type of each.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for another name or kind, an attribute that is missing, left over, at another place, or of
    /// another type; the explanation names it.
    pub fn composite<T: PgType + ?Sized>(
        &mut self,
        oid: Oid,
        attributes: &[(&'static str, Fits)],
    ) -> Result<()> {
        let found = self.get(oid)?;
        let theirs = match &found.kind {
            TypeKind::Composite { attributes } => attributes,
            TypeKind::Domain { .. } => return self.domain::<T>(oid),
            other => return Err(self.kind("a composite type", other)),
        };
        self.name(found, &T::TYPE)?;
        let is_there = |name: &str| theirs.iter().any(|attribute| *attribute.name == *name);
        if let Some((name, _)) = attributes.iter().find(|(name, _)| !is_there(name)) {
            return Err(self.misfit(format!("`{}` has no attribute `{name}`", found.name)));
        }
        let is_ours = |name: &str| attributes.iter().any(|(own, _)| *own == name);
        if let Some(further) = theirs.iter().find(|attribute| !is_ours(&attribute.name)) {
            return Err(self.misfit(format!(
                "`{}` has the attribute `{}`, and the Rust type has no field for it",
                found.name, further.name
            )));
        }
        for (attribute, (name, _)) in theirs.iter().zip(attributes) {
            if *attribute.name != **name {
                return Err(self.misfit(format!(
                    "`{}` has `{}` where the Rust type has `{name}`: the order differs",
                    found.name, attribute.name
                )));
            }
        }
        self.positions::<T>(oid, &found.name, theirs, attributes.iter().map(|(_, fits)| *fits))
    }

    /// Holds a tuple against the composite type `oid`, by position.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] for another kind, another number of attributes, or an attribute of another type.
    pub fn tuple<T: ?Sized>(&mut self, oid: Oid, fields: &[Fits]) -> Result<()> {
        let found = self.get(oid)?;
        match &found.kind {
            TypeKind::Composite { attributes } if attributes.len() == fields.len() => {
                self.positions::<T>(oid, &found.name, attributes, fields.iter().copied())
            }
            TypeKind::Composite { attributes } => Err(self.misfit(format!(
                "`{}` has {} attributes, and the tuple {}",
                found.name,
                attributes.len(),
                fields.len()
            ))),
            TypeKind::Domain { base } => {
                self.nested::<T>(oid, |types| types.tuple::<T>(*base, fields))
            }
            other => Err(self.kind("a composite type", other)),
        }
    }

    /// Asks that `oid` is a composite type, or a domain over one.
    ///
    /// # Errors
    /// As [`Types::get`]; [`ErrorKind::WrongType`] for another kind.
    pub(crate) fn any_composite(&mut self, oid: Oid) -> Result<()> {
        let found = self.get(oid)?;
        match &found.kind {
            TypeKind::Composite { .. } => Ok(()),
            TypeKind::Domain { base } => self.nested::<()>(oid, |types| types.any_composite(*base)),
            other => Err(self.kind("a composite type", other)),
        }
    }

    fn positions<T: ?Sized>(
        &mut self,
        oid: Oid,
        name: &str,
        attributes: &[Attribute],
        fields: impl Iterator<Item = Fits>,
    ) -> Result<()> {
        self.nested::<T>(oid, |types| {
            for (attribute, fits) in attributes.iter().zip(fields) {
                if let Err(error) = fits(attribute.oid, types) {
                    if error.kind() == ErrorKind::WrongType {
                        types.misfit(format!(
                            "the attribute `{}` of `{name}` has another type",
                            attribute.name
                        ));
                    }
                    return Err(error);
                }
            }
            Ok(())
        })
    }

    #[cold]
    fn kind(&mut self, wanted: &str, found: &TypeKind) -> Error {
        self.misfit(format!("it is {}, and the Rust type stands for {wanted}", found.noun()))
    }
}

#[cold]
fn wrong() -> Error {
    Error::new(ErrorKind::WrongType, "the column has another type")
}
