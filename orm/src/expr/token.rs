//! The alphabet in which a statement is written down: postfix, so that joining two conditions is concatenation.
//!
//! A token is one byte, followed by its arguments in a fixed width. What the bytes say is everything that changes the
//! SQL text, and nothing else; values stand beside them as parameters. So the bytes serve as the key under which a
//! connection remembers the prepared statement, and SQL text is made from them only when it does not know them yet.

/// A column: a path in eight bytes and the column's index in two.
pub(crate) const COLUMN: u8 = 1;
/// The next parameter: its type in four bytes.
pub(crate) const PARAM: u8 = 2;
/// The next parameter, an array to look into: the type of its elements in four bytes.
pub(crate) const ARRAY: u8 = 3;
/// NULL.
pub(crate) const NULL: u8 = 4;
/// True.
pub(crate) const TRUE: u8 = 5;
/// False.
pub(crate) const FALSE: u8 = 6;

// Of two operands.
pub(crate) const EQ: u8 = 16;
pub(crate) const NE: u8 = 17;
pub(crate) const LT: u8 = 18;
pub(crate) const LE: u8 = 19;
pub(crate) const GT: u8 = 20;
pub(crate) const GE: u8 = 21;
pub(crate) const DISTINCT: u8 = 22;
pub(crate) const NOT_DISTINCT: u8 = 23;
pub(crate) const LIKE: u8 = 24;
pub(crate) const ILIKE: u8 = 25;
pub(crate) const ADD: u8 = 26;
pub(crate) const SUB: u8 = 27;
pub(crate) const MUL: u8 = 28;
pub(crate) const DIV: u8 = 29;
pub(crate) const AND: u8 = 30;
pub(crate) const OR: u8 = 31;
/// A value and an array.
pub(crate) const IN: u8 = 32;
/// A value and an array.
pub(crate) const NOT_IN: u8 = 33;
pub(crate) const MATCH: u8 = 34;
pub(crate) const IMATCH: u8 = 35;

// Of one operand.
pub(crate) const NOT: u8 = 48;
pub(crate) const IS_NULL: u8 = 49;
pub(crate) const IS_NOT_NULL: u8 = 50;
/// `is not true`: the exact complement, also of NULL.
pub(crate) const IS_NOT_TRUE: u8 = 51;
pub(crate) const NEGATE: u8 = 52;

// Of several.
/// A value and its two bounds.
pub(crate) const BETWEEN: u8 = 64;
/// A value and a list: its length in two bytes, and a byte that is 1 for `not in`.
pub(crate) const IN_LIST: u8 = 65;
/// A function: its number (see `FUNCTIONS`) and its count of arguments, a byte each.
pub(crate) const CALL: u8 = 66;

// A condition on the rows of a to-many relation: the path to the row that has the relation in eight bytes, the relation's
// index and the number of the scope that it opens, a byte each.
pub(crate) const ANY: u8 = 80;
pub(crate) const NONE: u8 = 81;
pub(crate) const COUNT: u8 = 82;

// Clauses: each takes the operand before it away from the stack and gives it a place in the statement.
/// A condition that rows must meet.
pub(crate) const FILTER: u8 = 96;
/// A sort key: a byte of flags, see `expr::order`.
pub(crate) const ORDER: u8 = 97;
/// Forget the sort keys so far. Takes nothing.
pub(crate) const REORDER: u8 = 98;
/// A new value for a column of the table itself: the column's path in eight bytes and its index in two.
pub(crate) const ASSIGN: u8 = 99;
/// What kind of statement it is, and all that is special about it: the last token. See `render::statement`.
pub(crate) const STATEMENT: u8 = 112;

/// The names of functions, by their number.
pub(crate) const FUNCTIONS: [&str; 6] = ["lower", "upper", "btrim", "length", "coalesce", "abs"];
pub(crate) const LOWER: u8 = 0;
pub(crate) const UPPER: u8 = 1;
pub(crate) const BTRIM: u8 = 2;
pub(crate) const LENGTH: u8 = 3;
pub(crate) const COALESCE: u8 = 4;
pub(crate) const ABS: u8 = 5;
