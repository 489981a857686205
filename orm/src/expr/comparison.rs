//! The methods of columns and of computed values that make conditions, sort keys and assignments.

use stellata_protocol::{Encode, Error, ErrorKind, IsNull, Oid, PgType};

use crate::expr::assignment::Assignment;
use crate::expr::computed::{Expr, Number, Text};
use crate::expr::condition::Cond;
use crate::expr::fragment::Fragment;
use crate::expr::operand::{NewValue, Operand, Value};
use crate::expr::order::{DESCENDING, Order};
use crate::expr::token;
use crate::model::column::Column;

/// How a pattern is made of a text.
#[derive(Clone, Copy)]
struct Pattern {
    /// Whether what is special in patterns is to be taken literally.
    literal: bool,
    any_before: bool,
    any_after: bool,
}

const CONTAINS: Pattern = Pattern { literal: true, any_before: true, any_after: true };
const STARTS: Pattern = Pattern { literal: true, any_before: false, any_after: true };
const ENDS: Pattern = Pattern { literal: true, any_before: true, any_after: false };
const WHOLE: Pattern = Pattern { literal: true, any_before: false, any_after: false };
const AS_IS: Pattern = Pattern { literal: false, any_before: false, any_after: false };

type Begun = (Fragment, Oid);

/// A comparison of what `begin` writes. Where `null` is given it takes the place of the operator against a `None`.
///
/// Written where it is returned, and inlined there: a fragment costs as much to move as to make.
#[inline(always)]
fn compare<R, T>(
    begin: impl FnOnce(&mut Fragment) -> Oid,
    right: impl Operand<R, T>,
    op: u8,
    null: Option<u8>,
) -> Cond<R> {
    let mut cond = Cond::new(Fragment::default());
    let left = cond.fragment_mut();
    let oid = begin(left);
    if right.write(oid, left) {
        left.put(op);
    } else if let Some(null) = null {
        left.put(null);
    } else {
        left.put_slice(&[token::NULL, op]);
    }
    cond
}

fn unary<R>((mut left, _): Begun, op: u8) -> Cond<R> {
    left.put(op);
    Cond::new(left)
}

fn between<R, T>(
    (mut left, oid): Begun,
    low: impl Operand<R, T>,
    high: impl Operand<R, T>,
) -> Cond<R> {
    if !low.write(oid, &mut left) {
        left.put(token::NULL);
    }
    if !high.write(oid, &mut left) {
        left.put(token::NULL);
    }
    left.put(token::BETWEEN);
    Cond::new(left)
}

/// `= any($1)` and `<> all($1)`: one array parameter, whatever the count. An empty array gives no rows, and all rows.
///
/// A type whose array is not known by number is written as a list of single parameters.
fn within<R, T: PgType, V: Value<T>>(
    (mut left, oid): Begun,
    values: impl IntoIterator<Item = V>,
    negated: bool,
) -> Cond<R> {
    if T::TYPE.oid == Oid::UNSPECIFIED || T::TYPE.array == Oid::UNSPECIFIED {
        return within_list(left, oid, values, negated);
    }
    let element = T::TYPE.oid;
    let pushed = left.params_mut().push_with(T::TYPE.array, |out| {
        out.put_i32(1);
        // Whether there are NULLs: readers take it as a hint only, so the cautious answer is always right.
        out.put_i32(1);
        out.put_u32(element.0);
        let count_at = out.len();
        out.put_i32(0);
        out.put_i32(1);
        let mut count = 0_usize;
        for value in values {
            count += 1;
            let start = out.len();
            let mut is_null = false;
            out.value(|out| {
                is_null = value.encode_value(element, out)? == IsNull::Yes;
                Ok(())
            })?;
            if is_null {
                out.truncate(start);
                out.null();
            }
        }
        out.patch(count_at, count)
    });
    left.note(pushed);
    let [a, b, c, d] = element.0.to_be_bytes();
    let op = if negated { token::NOT_IN } else { token::IN };
    left.put_slice(&[token::ARRAY, a, b, c, d, op]);
    Cond::new(left)
}

fn within_list<R, T, V: Value<T>>(
    mut left: Fragment,
    oid: Oid,
    values: impl IntoIterator<Item = V>,
    negated: bool,
) -> Cond<R> {
    let mut count = 0_u16;
    for value in values {
        let mut is_null = false;
        let pushed = left.params_mut().push_with(oid, |out| {
            is_null = value.encode_value(oid, out)? == IsNull::Yes;
            Ok(())
        });
        left.note(pushed);
        left.put_param(oid);
        match count.checked_add(1) {
            Some(next) if !is_null => count = next,
            Some(_) => left.note(Err(Error::new(
                ErrorKind::Usage,
                "a list of values of this type can't hold a None",
            ))),
            None => {
                left.note(Err(Error::new(ErrorKind::TooLarge, "a list of more than 65535 values")))
            }
        }
    }
    if count == 0 {
        return Cond::from(negated);
    }
    let [a, b] = count.to_be_bytes();
    left.put_slice(&[token::IN_LIST, a, b, u8::from(negated)]);
    Cond::new(left)
}

fn like<R>((mut left, oid): Begun, text: &str, pattern: Pattern, op: u8) -> Cond<R> {
    left.put_param(oid);
    let pushed = left.params_mut().push_with(oid, |out| {
        if text.as_bytes().contains(&0) {
            return Err(Error::new(ErrorKind::InvalidText, "text for the server holds a NUL byte"));
        }
        if pattern.any_before {
            out.put_u8(b'%');
        }
        for &byte in text.as_bytes() {
            if pattern.literal && matches!(byte, b'%' | b'_' | b'\\') {
                out.put_u8(b'\\');
            }
            out.put_u8(byte);
        }
        if pattern.any_after {
            out.put_u8(b'%');
        }
        Ok(())
    });
    left.note(pushed);
    left.put(op);
    Cond::new(left)
}

fn call<R, T>((mut fragment, _): Begun, function: u8, arguments: u8, oid: Oid) -> Expr<R, T> {
    fragment.put_slice(&[token::CALL, function, arguments]);
    Expr::new(fragment, oid)
}

macro_rules! comparisons {
    ($type:ident) => {
        impl<R, T> $type<R, T> {
            /// Equal. Against `None`: has no value.
            #[inline]
            pub fn eq(self, other: impl Operand<R, T>) -> Cond<R> {
                compare(|left| self.begin_in(left), other, token::EQ, Some(token::IS_NULL))
            }

            /// Not equal. Against `None`: has a value. By SQL's rules a row without a value is neither equal nor unequal
            /// to a value; see [`is_distinct_from`](Self::is_distinct_from).
            #[inline]
            pub fn ne(self, other: impl Operand<R, T>) -> Cond<R> {
                compare(|left| self.begin_in(left), other, token::NE, Some(token::IS_NOT_NULL))
            }

            /// Less than.
            pub fn lt(self, other: impl Operand<R, T>) -> Cond<R> {
                compare(|left| self.begin_in(left), other, token::LT, None)
            }

            /// Less than or equal.
            pub fn le(self, other: impl Operand<R, T>) -> Cond<R> {
                compare(|left| self.begin_in(left), other, token::LE, None)
            }

            /// Greater than.
            pub fn gt(self, other: impl Operand<R, T>) -> Cond<R> {
                compare(|left| self.begin_in(left), other, token::GT, None)
            }

            /// Greater than or equal.
            pub fn ge(self, other: impl Operand<R, T>) -> Cond<R> {
                compare(|left| self.begin_in(left), other, token::GE, None)
            }

            /// From `low` to `high`, both included.
            pub fn between(self, low: impl Operand<R, T>, high: impl Operand<R, T>) -> Cond<R> {
                between(self.begin(), low, high)
            }

            /// Another value, where having none counts as a value of its own: the answer is never NULL.
            pub fn is_distinct_from(self, other: impl Operand<R, T>) -> Cond<R> {
                compare(
                    |left| self.begin_in(left),
                    other,
                    token::DISTINCT,
                    Some(token::IS_NOT_NULL),
                )
            }

            /// The same value, where having none counts as a value of its own: the answer is never NULL.
            pub fn is_not_distinct_from(self, other: impl Operand<R, T>) -> Cond<R> {
                compare(
                    |left| self.begin_in(left),
                    other,
                    token::NOT_DISTINCT,
                    Some(token::IS_NULL),
                )
            }

            /// Has no value; also where the row of a to-one relation on the way is missing.
            pub fn is_null(self) -> Cond<R> {
                unary(self.begin(), token::IS_NULL)
            }

            /// Has a value.
            pub fn is_not_null(self) -> Cond<R> {
                unary(self.begin(), token::IS_NOT_NULL)
            }

            /// Is one of `values`. No row is, when there are none.
            pub fn is_in<V: Value<T>>(self, values: impl IntoIterator<Item = V>) -> Cond<R>
            where
                T: PgType,
            {
                within::<R, T, V>(self.begin(), values, false)
            }

            /// Is none of `values`. Every row is, when there are none.
            pub fn not_in<V: Value<T>>(self, values: impl IntoIterator<Item = V>) -> Cond<R>
            where
                T: PgType,
            {
                within::<R, T, V>(self.begin(), values, true)
            }

            /// The value, or another where there is none (`coalesce`).
            pub fn coalesce(self, other: impl Operand<R, T>) -> Expr<R, T> {
                let (mut fragment, oid) = self.begin();
                if !other.write(oid, &mut fragment) {
                    fragment.put(token::NULL);
                }
                call((fragment, oid), token::COALESCE, 2, oid)
            }

            /// Sort from the smallest to the greatest.
            pub fn asc(self) -> Order<R> {
                Order::new(self.begin().0, 0)
            }

            /// Sort from the greatest to the smallest.
            pub fn desc(self) -> Order<R> {
                Order::new(self.begin().0, DESCENDING)
            }
        }

        impl<R, T: Number> $type<R, T> {
            /// The value without its sign.
            pub fn abs(self) -> Expr<R, T> {
                let begun = self.begin();
                let oid = begun.1;
                call(begun, token::ABS, 1, oid)
            }
        }

        impl<R, T: Text> $type<R, T> {
            /// Holds this text, letter by letter: `%`, `_` and `\` stand for themselves.
            pub fn contains(self, text: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), text.as_ref(), CONTAINS, token::LIKE)
            }

            /// Begins with this text.
            pub fn startswith(self, text: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), text.as_ref(), STARTS, token::LIKE)
            }

            /// Ends with this text.
            pub fn endswith(self, text: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), text.as_ref(), ENDS, token::LIKE)
            }

            /// Is this text, in capitals or not.
            pub fn iexact(self, text: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), text.as_ref(), WHOLE, token::ILIKE)
            }

            /// Holds this text, in capitals or not.
            pub fn icontains(self, text: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), text.as_ref(), CONTAINS, token::ILIKE)
            }

            /// Begins with this text, in capitals or not.
            pub fn istartswith(self, text: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), text.as_ref(), STARTS, token::ILIKE)
            }

            /// Ends with this text, in capitals or not.
            pub fn iendswith(self, text: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), text.as_ref(), ENDS, token::ILIKE)
            }

            /// Matches a pattern in which `%` stands for any text, `_` for one letter, and `\` makes the letter behind it
            /// stand for itself.
            pub fn like(self, pattern: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), pattern.as_ref(), AS_IS, token::LIKE)
            }

            /// Matches a regular expression of PostgreSQL (chapter 9.7.3 of its manual), anywhere in the text unless the
            /// expression is bound by `^` and `$`. One that makes no sense is refused by the server (2201B).
            pub fn regex(self, expression: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), expression.as_ref(), AS_IS, token::MATCH)
            }

            /// [`regex`](Self::regex), in capitals or not.
            pub fn iregex(self, expression: impl AsRef<str>) -> Cond<R> {
                like(self.begin(), expression.as_ref(), AS_IS, token::IMATCH)
            }

            /// The text in small letters.
            pub fn lower(self) -> Expr<R, T> {
                call(self.begin(), token::LOWER, 1, Oid::TEXT)
            }

            /// The text in capitals.
            pub fn upper(self) -> Expr<R, T> {
                call(self.begin(), token::UPPER, 1, Oid::TEXT)
            }

            /// The text without blanks at either end.
            pub fn trim(self) -> Expr<R, T> {
                call(self.begin(), token::BTRIM, 1, Oid::TEXT)
            }

            /// How many letters it has.
            pub fn length(self) -> Expr<R, i32> {
                call(self.begin(), token::LENGTH, 1, Oid::INT4)
            }
        }
    };
}

comparisons!(Column);
comparisons!(Expr);

impl<R, T> Column<R, T> {
    /// Gives the column a new value: in an update, or when an upsert meets a row that is there.
    pub fn set(self, value: impl NewValue<R, T>) -> Assignment<R> {
        let mut fragment = Fragment::default();
        if !value.write(self.oid, &mut fragment) {
            fragment.put(token::NULL);
        }
        Assignment::new(self, fragment)
    }
}

/// A value that stands alone, as a parameter of its own type.
pub fn value<R, T: Encode>(value: T) -> Expr<R, T> {
    let mut fragment = Fragment::default();
    if !fragment.value(T::TYPE.oid, &value) {
        fragment.put(token::NULL);
    }
    Expr::new(fragment, T::TYPE.oid)
}
